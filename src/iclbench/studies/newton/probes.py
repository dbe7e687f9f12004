"""What readouts find in each layer of a trained transformer, and which iterates it is like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field
from typing_extensions import override

from iclbench.lazy import pd, torch
from iclbench.measures import rows_from_errors, similarity_of_errors, squared_errors
from iclbench.method import ascending
from iclbench.records import make_rows
from iclbench.streams import stream, torch_seed
from iclbench.studies.newton.matches import match_rows
from iclbench.training.examination import Examination, Learner, Subject
from iclbench.training.trained import hidden_states, predict

START = 0.01
"""Standard deviation of a readout that is trained again, before."""


class Probes(Examination):
    """Three readouts of every layer of trained models, and their similarity to solvers.

    A readout is an affine map of the residual stream at x_t, the same at all positions. Of each
    model M there are the methods ``M``, whose readouts were trained along with the transformer,
    ``M_retrained``, whose readouts are drawn anew and trained by Adam while all else is frozen, and
    ``M_least_squares``, whose readouts minimise the squared error exactly.

    Rows, by layer (``iterate``): ``squared_error`` and ``normalised_error``, by position and
    averaged; ``rank_correlation``, Spearman's, of the layers from the first of ``fit`` on with
    their errors where more pairs are seen than inputs have dimensions; and with each solver among
    the methods ``similarity`` of errors, ``best_match``, ``best_similarity``, ``match_r2`` and
    ``match_r2_log2`` (see ``match_rows``).

    Fu et al. 2024 (arXiv 2310.17086) train readouts again, from N(0, 0.01^2), at the model's own
    learning rate; least squares is ours.
    """

    kind: Literal["newton_probes"] = Field(
        description="readouts of every layer, trained along, trained again and by least squares"
    )
    prompts: int = Field(
        default=2000, ge=10, le=10**7, description="fresh prompts that readouts are fitted to"
    )
    steps: int = Field(default=2000, ge=1, le=10**7, description="steps of readouts trained again")
    batch: int = Field(default=64, ge=1, le=10**6, description="prompts of such a step")
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="Adam's, of these steps")
    fit: Annotated[tuple[int, int], AfterValidator(ascending)] | None = Field(
        default=None,
        description="first and last layer of lines, and the first that is ranked; null: all",
    )

    @override
    def examine(
        self, subject: Subject, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of every model, seed and readout."""
        inputs, outputs = subject.inputs, subject.outputs
        solvers = {
            name: (method.iterates, method.predict(inputs, outputs).double() - outputs)
            for name, (_, method) in subject.methods.items()
        }
        for learner in subject.learners:
            found = {"": predict(learner.trained, learner.model, inputs, outputs)}
            found |= self._refitted(subject, learner, names)
            for suffix, predictions in found.items():
                for seed, each in zip(learner.trained.seeds, predictions, strict=True):
                    own = {
                        **labels,
                        "method": learner.method + suffix,
                        "family": "trained",
                        "seed": seed,
                    }
                    layers = learner.model.iterates
                    fit = self.fit or (layers[0], layers[-1])
                    errors = squared_errors(each, outputs)
                    yield rows_from_errors(errors, layers, subject.power, own)
                    yield _rank_row(own, layers, fit[0], errors[:, :, subject.task.input_dim + 1 :])
                    residuals = each.double() - outputs
                    for name, (iterates, others) in solvers.items():
                        similar = similarity_of_errors(residuals, others)
                        yield from match_rows(
                            own, layers, name, iterates, *similar, n=len(outputs), fit=fit
                        )

    def _refitted(
        self, subject: Subject, learner: Learner, names: tuple[str, ...]
    ) -> dict[str, Float[torch.Tensor, "seed layer batch time 1"]]:
        """Return the predictions of readouts fitted to the frozen states."""
        rng = stream(*names, learner.method, "prompts")
        fresh = subject.task.sample(rng, self.prompts, subject.length)
        x, y = torch.from_numpy(fresh.inputs), torch.from_numpy(fresh.outputs)
        states = hidden_states(learner.trained, learner.model, x, y)
        seen = hidden_states(learner.trained, learner.model, subject.inputs, subject.outputs)
        maps = {
            "_retrained": trained_readout(
                states,
                y,
                steps=self.steps,
                batch=self.batch,
                learning_rate=self.learning_rate,
                names=(*names, learner.method),
            ),
            "_least_squares": least_squares_readout(states, y),
        }
        return {
            suffix: torch.einsum("skbtw,skwq->skbtq", with_one(seen), weights)
            for suffix, weights in maps.items()
        }


def _rank_row(
    labels: Mapping[str, Any],
    layers: tuple[int, ...],
    first: int,
    errors: Float[torch.Tensor, "layer batch time"],
) -> pd.DataFrame:
    from scipy.stats import rankdata

    chosen = [place for place, layer in enumerate(layers) if layer >= first]
    mean = errors.mean((1, 2))[chosen].numpy()
    value = np.nan
    if len(chosen) > 1 and np.isfinite(mean).all():
        value = float(np.corrcoef(np.arange(len(chosen)), rankdata(mean))[0, 1])
    return make_rows(
        labels, metric="rank_correlation", iterate=first, value=value, n=errors.shape[1]
    )


def with_one(
    states: Float[torch.Tensor, "*batch width"],
) -> Float[torch.Tensor, "*batch read"]:
    """Return states with a 1 behind, so that an affine map of them is linear."""
    return torch.cat([states, torch.ones_like(states[..., :1])], dim=-1)


def least_squares_readout(
    states: Float[torch.Tensor, "seed layer batch time width"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "seed layer read q"]:
    """Return the affine map of each seed and layer of least squared error, of minimum norm."""
    features = with_one(states).flatten(2, 3)
    targets = outputs.flatten(0, 1).expand(*features.shape[:2], -1, -1)
    return torch.linalg.lstsq(features, targets, driver="gelsd").solution


def trained_readout(
    states: Float[torch.Tensor, "seed layer batch time width"],
    outputs: Float[torch.Tensor, "batch time 1"],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    names: tuple[str, ...],
) -> Float[torch.Tensor, "seed layer read 1"]:
    """Return the affine map of each seed and layer after Adam on batches of prompts.

    All of them see the same batches, drawn with replacement, and each has its own loss.
    """
    features = with_one(states)
    seeds, layers, prompts, _, width = features.shape
    generator = torch.Generator().manual_seed(torch_seed(*names, "readouts"))
    start = START * torch.randn(seeds, layers, width, 1, generator=generator)
    start[:, :, -1] = 0
    weights = start.to(features).requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=learning_rate)
    order = stream(*names, "order").integers(prompts, size=(steps, min(batch, prompts)))
    for chosen in torch.from_numpy(order):
        answers = torch.einsum("skbtw,skwq->skbtq", features[:, :, chosen], weights)
        loss = (answers - outputs[chosen]).square().mean((2, 3, 4)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return weights.detach()
