"""What the measurements share: sequences, one a seed, the kinds of attention, and their names."""

from __future__ import annotations

from typing import Annotated, TypeGuard

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.kernels.kernel import Kernel
from iclbench.kernels.named import inner_product_kernel
from iclbench.lazy import torch
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.streams import stream
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts

AnyAttention = Annotated[Linear | Exponential | Softmax, Field(discriminator="kind")]


def distinct(values: tuple[int | float, ...]) -> tuple[int | float, ...]:
    """Return the numbers, each of which makes rows under its own name.

    Raises:
        ValueError: If two are the same, in the six digits that names have.
    """
    names = [f"{value:g}" for value in values]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: given twice; each number makes rows of its own")
    return values


def _distinct_names(attentions: tuple[Linear | Exponential | Softmax, ...]) -> tuple:
    names = [name_of(attention) for attention in attentions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: given twice; each attention makes rows of its name")
    return attentions


Attentions = Annotated[
    tuple[AnyAttention, ...],
    Field(min_length=1, description="kinds of attention, each with its scale beta"),
    AfterValidator(_distinct_names),
]


def name_of(attention: Linear | Exponential | Softmax) -> str:
    """Return what rows call an attention, for example ``exponential_beta_4``."""
    scale = attention.scale
    return f"{attention.kind}_beta_{scale if isinstance(scale, str) else f'{scale:g}'}"


def prompts_of(family: Family, names: tuple[str, ...], seeds: int, length: int) -> Prompts:
    """Return one prompt of ``length`` pairs a seed, each drawn from a stream of its own."""
    drawn = [family.sample(stream(*names, "sequence", seed), 1, length) for seed in range(seeds)]
    return Prompts(
        inputs=np.concatenate([prompt.inputs for prompt in drawn]),
        outputs=np.concatenate([prompt.outputs for prompt in drawn]),
        clean=np.concatenate([prompt.clean for prompt in drawn]),
        truth={
            name: np.concatenate([prompt.truth[name] for prompt in drawn])
            for name in drawn[0].truth
        },
    )


def pairs_of(
    prompts: Prompts,
) -> tuple[Float[torch.Tensor, "seed time p"], Float[torch.Tensor, "seed time q"]]:
    """Return the inputs and outputs of prompts as tensors in float64."""
    return torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)


def is_kernel(
    attention: Linear | Exponential | Softmax,
) -> TypeGuard[Linear | Exponential]:
    """Return whether the weights are a kernel's, which those of softmax are not."""
    return attention.kind != "softmax"


def kernel_of(attention: Linear | Exponential, width: int) -> Kernel:
    """Return the kernel that an attention without normalisation weighs by."""
    return inner_product_kernel(attention.kind, scale=attention.factor(width))


def descent(
    attention: Linear | Exponential | Softmax, step: float, depths: tuple[int, ...]
) -> CausalKernelDescent:
    """Return the recursion with a step in units of 1/L_ss, at each pair s its own weight on itself.

    On the unit sphere all L_ss of a kernel are equal, to kappa = max_s L_ss. For softmax the step
    is absolute, and so in units of 1/kappa, as kappa = 1 is the weight of the first pair.
    """
    return CausalKernelDescent(
        kind="causal_kernel_descent",
        attention=attention,
        step=step,
        relative=is_kernel(attention),
        depths=depths,
    )


def depth_limit_of(attention: Linear | Exponential | Softmax) -> CausalKernelDescent:
    """Return the limit of infinite depth, one triangular solve."""
    return CausalKernelDescent(kind="causal_kernel_descent", attention=attention, depths="limit")
