"""The training of the augmented model as its authors' script sets it, in a loop of our own."""

from __future__ import annotations

from collections.abc import Callable, Container
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import ortho_group
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEQUENCES = 2**14
BATCH = 1024
EPOCHS = 200
LEARNING_RATE = 1e-2
STEPS = EPOCHS * SEQUENCES // BATCH


class Augmented(nn.Module):
    """One layer x + LN(W_O A V) of masked linear attention on tokens (0, s_t, s_{t-1}), read out.

    The authors' network without what it has and does not use.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        width = 3 * dim
        self.query, self.key, self.value, self.mix, self.readout = (
            nn.Linear(width, width) for _ in range(5)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, states: Float[torch.Tensor, "batch time p"]
    ) -> Float[torch.Tensor, "batch time p"]:
        """Return the predictions of the next states."""
        _, time, dim = states.shape
        previous = nn.functional.pad(states[:, :-1], (0, 0, 1, 0))
        x = torch.cat([torch.zeros_like(states), states, previous], dim=-1)
        query, key, value = self.query(x), self.key(x), self.value(x)
        scores = torch.einsum("btd,bsd->bts", query, key) / x.shape[-1] ** 0.5
        mask = torch.ones(time, time).tril()
        attended = torch.einsum("bts,bsd->btd", scores.masked_fill(mask == 0, 0.0), value)
        return self.readout(x + self.norm(self.mix(attended)))[..., :dim]


def sequences(
    rng: np.random.Generator, count: int, dim: int, length: int
) -> Float[torch.Tensor, "count states p"]:
    """Return s_1 = 1 / sqrt(d), s_{t+1} = W s_t with W Haar, state by state."""
    W = ortho_group.rvs(dim, size=count, random_state=rng)
    states = [np.full((count, dim), dim**-0.5)]
    for _ in range(length):
        states.append(np.einsum("bij,bj->bi", W, states[-1]))
    return torch.from_numpy(np.stack(states, axis=1)).float()


def train(
    rng: np.random.Generator,
    dim: int,
    length: int,
    steps: int,
    look: Callable[[int, float, Augmented], bool],
    look_at: Container[int],
) -> float:
    """Train, data drawn first; return the seconds, looks aside.

    Args:
        rng: For the data; weights and the order of batches come from torch's generator.
        dim: d.
        length: T, the inputs of a sequence.
        steps: After how many to end.
        look: Is shown steps, seconds and model; ends the training by returning true.
        look_at: After how many steps.
    """
    began = perf_counter()
    looking = 0.0
    states = sequences(rng, SEQUENCES, dim, length)
    batches = DataLoader(
        TensorDataset(states[:, :-1], states[:, 1:]), batch_size=BATCH, shuffle=True
    )
    model = Augmented(dim)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    step = 0
    while step < steps:
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            step += 1
            if step in look_at:
                paused = perf_counter()
                ends = look(step, paused - began - looking, model)
                looking += perf_counter() - paused
                if ends:
                    return perf_counter() - began - looking
            if step == steps:
                break
    return perf_counter() - began - looking
