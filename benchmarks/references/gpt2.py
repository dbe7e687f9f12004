"""GPT-2 for regression in context, on the model of the library transformers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.gpt2 import GPT2

transformers: Any = import_module("transformers")  # installed for this suite alone


class Regressor(nn.Module):
    """Linear maps into and out of transformers' GPT2Model, on tokens x_1, y_1, …, x_T, y_T.

    As in the public code of Garg et al. 2022 (arXiv 2208.01066), which Fu et al. 2024 build on.
    """

    def __init__(self, settings: GPT2, input_dim: int, length: int, **changes: Any) -> None:
        super().__init__()
        config = transformers.GPT2Config(
            n_positions=2 * length,
            n_embd=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            **changes,
        )
        self.read_in = nn.Linear(input_dim, settings.width)
        self.backbone = transformers.GPT2Model(config)
        self.readout = nn.Linear(settings.width, 1)

    def forward(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time 1"],
    ) -> Float[torch.Tensor, "batch time 1"]:
        """Return the predictions, read out at every x_t."""
        labels = nn.functional.pad(outputs, (0, inputs.shape[-1] - 1))
        tokens = torch.stack([inputs, labels], dim=2).flatten(1, 2)
        states = self.backbone(inputs_embeds=self.read_in(tokens)).last_hidden_state
        return self.readout(states[:, ::2])

    def take(self, state: dict[str, torch.Tensor], layers: int) -> None:
        """Take the weights of our network of the same architecture, of one seed."""
        own = {"read_in": "read_in", "readout": "readout", "norm": "backbone.ln_f"}
        for layer in range(layers):
            theirs = f"backbone.h.{layer}"
            own |= {
                f"blocks.{layer}.attention_norm": f"{theirs}.ln_1",
                f"blocks.{layer}.mix": f"{theirs}.attn.c_proj",
                f"blocks.{layer}.mlp_norm": f"{theirs}.ln_2",
                f"blocks.{layer}.expand": f"{theirs}.mlp.c_fc",
                f"blocks.{layer}.contract": f"{theirs}.mlp.c_proj",
            }
        taken = {
            f"{name}.{part}": state[f"{ours}.{part}"]
            for ours, name in own.items()
            for part in ("weight", "bias")
        }
        for layer in range(layers):
            for part in ("weight", "bias"):
                taken[f"backbone.h.{layer}.attn.c_attn.{part}"] = torch.cat(
                    [state[f"blocks.{layer}.{each}.{part}"] for each in ("query", "key", "value")]
                )
        positions = state["positions"]  # one less than theirs: the last y is of no use
        taken["backbone.wpe.weight"] = nn.functional.pad(positions, (0, 0, 0, 1))
        for name in [name for name in taken if ".c_" in name and name.endswith("weight")]:
            taken[name] = taken[name].T  # their linear maps are stored transposed
        self.load_state_dict(taken | {"backbone.wte.weight": self.backbone.wte.weight})
