"""What training leaves: the parameters of every seed, and how the loss went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float

from iclbench.files import load_arrays, save_arrays
from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel
from iclbench.training.ensembles import predictions_of

WEIGHTS = 2**20
"""How many attention weights of a head ``predict`` holds at a time, about."""


@dataclass(frozen=True)
class Trained:
    """An ensemble of seeds after training.

    Attributes:
        state: The network's parameters by name, seed first; NaN for a seed that diverged.
        seeds: The seeds, in this order.
        length: T, the pairs of a training prompt.
        steps: The numbers of steps done at which the loss was logged.
        losses: The mean squared error of the last layer on the training prompts, averaged over the
            steps since the one logged before; NaN from where a seed diverged.
        diverged: The step at which a seed met a number that is not finite, for those that did.
    """

    state: dict[str, torch.Tensor]
    seeds: tuple[int, ...]
    length: int
    steps: tuple[int, ...]
    losses: Float[torch.Tensor, "logged seed"]
    diverged: dict[int, int]

    def of_seed(self, place: int) -> Trained:
        """Return one seed of the ensemble, by its place, as an ensemble of one."""
        seed = self.seeds[place]
        return Trained(
            state={name: tensor[place : place + 1] for name, tensor in self.state.items()},
            seeds=(seed,),
            length=self.length,
            steps=self.steps,
            losses=self.losses[:, place : place + 1],
            diverged={seed: self.diverged[seed]} if seed in self.diverged else {},
        )


def save(trained: Trained, path: Path) -> None:
    """Write what training left to one safetensors file, whole or not at all."""
    content = {
        "seeds": list(trained.seeds),
        "length": trained.length,
        "steps": list(trained.steps),
        "diverged": [[seed, step] for seed, step in trained.diverged.items()],
    }
    tensors = {f"state.{name}": tensor for name, tensor in trained.state.items()}
    tensors["losses"] = trained.losses
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    save_arrays(arrays, path, content)


def load(path: Path) -> Trained:
    """Return what ``save`` wrote.

    Raises:
        DamagedFileError: If the file is not as it was written.
    """
    arrays, content = load_arrays(path)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Trained(
        state={
            name.removeprefix("state."): tensor
            for name, tensor in tensors.items()
            if name.startswith("state.")
        },
        seeds=tuple(content["seeds"]),
        length=content["length"],
        steps=tuple(content["steps"]),
        losses=tensors["losses"],
        diverged=dict(content["diverged"]),
    )


def predict(
    trained: Trained,
    model: TrainedModel,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "seed layer batch time q"]:
    """Return the predictions of every seed after every layer, at every position.

    The arithmetic has the precision of the parameters; the result has that of the inputs, and their
    device.

    Args:
        trained: The ensemble.
        model: The architecture that it was trained with.
        inputs: x, at most as many pairs as in training; prompts are gone through in parts that fit
            in memory.
        outputs: y.
    """
    return _in_parts(trained, model, inputs, outputs)


def hidden_states(
    trained: Trained,
    model: TrainedModel,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "seed layer batch time width"]:
    """Return what the readouts of every seed and layer see, of a model that has probes.

    The arguments are those of ``predict``.
    """
    return _in_parts(trained, model, inputs, outputs, states=True)


def _in_parts(
    trained: Trained,
    model: TrainedModel,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    *,
    states: bool = False,
) -> Float[torch.Tensor, "seed layer batch time read"]:
    run = predictions_of(model, inputs.shape[-1], outputs.shape[-1], trained.length, states=states)
    state = {name: tensor.to(inputs.device) for name, tensor in trained.state.items()}
    like = next(iter(state.values()))
    seeds = len(trained.seeds)
    size = max(1, WEIGHTS // (seeds * inputs.shape[1] ** 2))
    parts = zip(inputs.to(like).split(size), outputs.to(like).split(size), strict=True)
    with torch.no_grad():
        found = [run(state, *(_repeated(part, seeds) for part in pair)) for pair in parts]
    return torch.cat(found, dim=2).to(inputs)


def _repeated(part: torch.Tensor, seeds: int) -> torch.Tensor:
    return part.expand(seeds, *part.shape)
