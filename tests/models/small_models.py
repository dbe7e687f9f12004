"""Small transformers, and prompts for them."""

import torch
from one_seed import one_seed

from iclbench.models.attention_only import AttentionOnly
from iclbench.models.complex_attention import ComplexAttention
from iclbench.models.gpt2 import GPT2
from iclbench.models.kernel_descent import KernelDescent
from iclbench.models.paired import Paired
from iclbench.registry import locations

ATTENTION = sorted(locations("attention"))
POINTWISE = ["exponential", "linear", "relu", "softmax"]
B, T, P = 3, 6, 4


def attention_only(**options):
    return AttentionOnly(kind="attention_only", **options)


def paired(**options):
    return Paired(kind="paired", **options)


def complex_attention(**options):
    return ComplexAttention(kind="complex_attention", **options)


def kernel_descent(**options):
    return KernelDescent(kind="kernel_descent", **options)


def gpt2(**options):
    return GPT2(kind="gpt2", **{"width": 8, **options})


def name(value):
    if isinstance(value, int):
        return f"q{value}"
    return "-".join(map(str, value.model_dump(exclude_defaults=True).values()))


def built(model, q=P, seed=0):
    torch.manual_seed(seed)
    return one_seed(model.build(P, q, T)).double()


def prompt(q=P, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(B, T, P, dtype=torch.double, generator=generator)
    return inputs, torch.randn(B, T, q, dtype=torch.double, generator=generator)
