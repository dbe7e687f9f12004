"""How a model is trained."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from iclbench.settings import Settings


class Ramp(Settings):
    """A size that grows during training: start, then ``increment`` more every ``every`` steps."""

    start: int = Field(ge=1, le=100_000, description="the size at the first step")
    increment: int = Field(default=1, ge=1, le=100_000, description="what is added at a time")
    every: int = Field(ge=1, le=10_000_000, description="steps between two increases")

    def at(self, step: int, end: int) -> int:
        """Return the size at a step; it never exceeds ``end``."""
        return min(end, self.start + self.increment * (step // self.every))


class Muon(Settings):
    """Muon's settings: Jordan et al. 2024 (kellerjordan.github.io/posts/muon)."""

    learning_rate: float = Field(
        gt=0,
        le=10,
        description="Muon's step size, at its largest: about how far a singular value of a matrix "
        "of m rows and n columns moves, times sqrt(m / n) where m > n",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of the average of gradients")


class Training(Settings):
    """Adam, with or without Muon, on the mean squared error of the last layer's predictions."""

    steps: int = Field(ge=1, le=100_000_000, description="optimiser steps")
    batch: int = Field(ge=1, le=1_000_000, description="prompts a step, for each seed")
    learning_rate: float = Field(gt=0, le=10, description="Adam's step size, at its largest")
    muon: Muon | None = Field(
        default=None,
        description="trains the matrices of blocks by Muon and only the rest by Adam, which often "
        "takes fewer steps; null: Adam for all, as the papers have it",
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="how learning rates fall, to zero, after the warm-up"
    )
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="the part of all steps in which the learning rate rises",
    )
    gradient_clip: float | None = Field(
        default=None, gt=0, description="largest norm of a seed's gradient; null: not clipped"
    )
    precision: Literal["float32", "float64", "bf16-mixed"] = Field(
        default="float32", description="numbers of the parameters and of the arithmetic"
    )
    compile: Literal["inductor", "aot_eager"] | None = Field(
        default=None,
        description="backend of torch.compile for prompts of full length, for long jobs: "
        "inductor (needs a C++ compiler), or aot_eager, which only traces; null: not compiled",
    )
    devices: int = Field(
        default=1,
        ge=1,
        le=64,
        description="how many processes share each batch, each on a GPU of its own, or on the CPU "
        "where there is none; the result is that of one, up to rounding",
    )
    resample_every: int = Field(
        default=1, ge=1, le=1_000_000, description="steps that share one batch of fresh prompts"
    )
    train_set: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="prompts of a fixed training set, shuffled every epoch; null: always fresh",
    )
    positions: Literal["all", "last"] = Field(
        default="all",
        description="whose error is trained: that of all positions, or of the last alone, which "
        "sees a whole prompt",
    )
    dims: Ramp | None = Field(
        default=None,
        description="curriculum: how many coordinates of x are not zero; a task that has no such "
        "part, or none so small, is trained on the smallest there is",
    )
    points: Ramp | None = Field(
        default=None, description="curriculum: how many pairs a training prompt has"
    )
    log_every: int = Field(
        default=50, ge=1, le=1_000_000, description="steps averaged into one logged loss"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Training:
        if self.batch % self.devices:
            raise ValueError(
                f"batch ({self.batch}) is not a multiple of devices ({self.devices}); make it one, "
                "so that all have equal shares"
            )
        if self.train_set is not None:
            if self.train_set % self.batch:
                raise ValueError(
                    f"train_set ({self.train_set}) is not a multiple of batch ({self.batch}); "
                    "make it one, so that an epoch has whole batches"
                )
            if self.dims or self.points or self.resample_every > 1:
                raise ValueError(
                    "train_set fixes the prompts, but dims, points and resample_every are about "
                    "fresh ones; remove train_set or these"
                )
        return self

    def rate(self, step: int) -> float:
        """Return the learning rate at a step as a fraction of its largest value."""
        warmup = int(self.warmup * self.steps)
        if step < warmup:
            return (step + 1) / warmup
        left = (self.steps - step) / (self.steps - warmup)
        match self.schedule:
            case "constant":
                return 1.0
            case "linear":
                return left
            case "cosine":
                return (1 - math.cos(math.pi * left)) / 2
