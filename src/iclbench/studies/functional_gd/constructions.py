"""The explicit transformer against functional gradient descent, its limit and closed forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, repeat
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.kernels.named import inner_product_kernel
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.models.constructed.functional_gd import FunctionalGD
from iclbench.models.constructed.layers import Head, attend_to_context, blocks
from iclbench.records import make_rows
from iclbench.registry import find
from iclbench.streams import stream
from iclbench.studies.functional_gd.descents import (
    closed_form,
    composite,
    descend,
    descend_in_weights,
    similarities,
)
from iclbench.studies.functional_gd.problems import SPECTRUM, Spectrum, process
from iclbench.tasks.draws import unit_vectors

KINDS = ("linear", "relu", "exponential", "softmax")
KERNELS = ("linear", "relu", "exponential")
DEPTHS = Annotated[int, Field(ge=1, le=100_000)]


class Construction(Measurement):
    """Largest differences between what theory says is equal, and the Bayes losses; per seed.

    A method is a kind of attention; a seed is a Gaussian process with a covariance of its own.
    On prompts of n = ``pairs`` pairs, after each layer (``iterate``), the largest over prompts:

    * ``query_gap``: |prediction of the shipped construction - f_l(x_{n+1})|, for attention that is
      a kernel and for softmax, with f_l from a loop over coefficients in numpy; ``sign_gap``: the
      same for the prediction with its sign reversed;
    * ``context_gap``: |Y_l - (y - f_l)| on the context tokens of a layer after the other, with a
      random step a layer; ``closed_form_gap``: its query against
      k^T [I - prod_l (I - eta_l K)] K^+ y (kernels);
    * ``weights_gap`` (linear): |prediction - w_l^T x_{n+1}|, w_l by gradient descent on
      |X w - y|^2 / 2; ``composite_gap``: two heads against descent in the sum of their kernels.

    With the exponential kernel, n = ``few`` and steps of its largest eigenvalue's inverse:

    * ``bayes_gap`` (``iterate``: depth): |prediction - k^T K^{-1} y|, and ``bayes_gap_median`` the
      median over prompts;
    * ``residual_ratio`` (``reference_iterate``: eta in percent of 2 / lambda_max), by how much the
      norm of the residuals grows from a layer to the next: over ``contractions`` layers the largest
      (``largest_residual_ratio``), and in the last layer the smallest (``last_residual_ratio``).

    ``bayes_loss`` (``position``: n) is the mean variance of a label given n pairs, over ``sampled``
    prompts.

    Cheng et al. 2024 (arXiv 2312.06528), Propositions 1 to 3.
    """

    kind: Literal["functional_gd_construction"] = Field(
        description="the explicit transformer against functional gradient descent"
    )
    spectrum: Spectrum = SPECTRUM
    prompts: int = Field(default=32, ge=1, le=10_000, description="prompts a seed of the gaps")
    pairs: int = Field(default=14, ge=2, le=200, description="n, pairs of those prompts")
    layers: int = Field(default=8, ge=1, le=100, description="L, layers compared one by one")
    few: int = Field(default=6, ge=2, le=200, description="n, pairs where depth goes to infinity")
    depths: Ascending[DEPTHS] = Field(
        default=(1, 10, 100, 1000, 10_000), description="layers on the way to the Bayes predictor"
    )
    percents: Ascending[Annotated[int, Field(ge=1, le=1000)]] = Field(
        default=(50, 99, 101, 125), description="eta in percent of 2 / lambda_max"
    )
    contractions: int = Field(
        default=200, ge=2, le=10_000, description="layers over which residuals are watched"
    )
    counts: Ascending[Annotated[int, Field(ge=1, le=200)]] = Field(
        default=(2, 4, 6, 8, 10, 12, 14), description="n, pairs at which the Bayes loss is measured"
    )
    sampled: int = Field(
        default=2000, ge=2, le=10**7, description="prompts a seed of the Bayes loss"
    )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every seed."""
        for seed in range(self.seeds):
            own = {**labels, "family": "constructed", "seed": seed}
            yield from self._layer_by_layer((*names, "layers", str(seed)), own, seed)
            yield from self._bayes_losses((*names, "bayes", str(seed)), own, seed)
        yield from self._in_the_limit((*names, "limit"), {**labels, "family": "constructed"})

    def _layer_by_layer(
        self, names: tuple[str, ...], labels: Mapping[str, Any], seed: int
    ) -> Iterator[pd.DataFrame]:
        depths = np.arange(1, self.layers + 1)
        rng = stream(*names, "steps")
        for kind in KINDS:
            labelled = inner_product_kernel("exponential" if kind == "softmax" else kind)
            task = process(labelled, self.spectrum, seed)
            drawn = task.sample(stream(*names, kind), self.prompts, self.pairs + 1)
            x, y = drawn.inputs, drawn.outputs[..., 0]
            weights = similarities(kind, x)
            bound = np.abs(weights[:, :-1, :-1]).sum(1).max()
            own = {**labels, "method": kind}

            def rows(metric: str, gap: np.ndarray, own: Any = own) -> pd.DataFrame:
                return make_rows(own, metric=metric, iterate=depths, value=gap, n=self.prompts)

            eta = float(1 / bound)
            shipped = _shipped([{"attention": {"kind": kind}}], eta, self.layers, x, y)
            steps = np.full(self.layers, eta)
            followed = descend(weights, y, steps)[..., -1]
            yield rows("query_gap", _gap(shipped - followed))
            yield rows("sign_gap", _gap(-shipped - followed))
            if kind == "linear":
                yield rows("weights_gap", _gap(shipped - descend_in_weights(x, y, steps)))

            steps = rng.uniform(0.5, 1.5, self.layers) / bound
            built = np.stack(list(islice(_layers(kind, iter(steps), x, y), self.layers)))
            followed = descend(weights, y, steps)
            yield rows("context_gap", _gap(built[..., :-1] - (y - followed)[..., :-1]))
            if kind in KERNELS:
                exact = closed_form(weights, y, steps)
                yield rows("closed_form_gap", _gap(-built[..., -1] - exact))
        yield self._two_heads(names, labels, seed)

    def _two_heads(
        self, names: tuple[str, ...], labels: Mapping[str, Any], seed: int
    ) -> pd.DataFrame:
        together = composite(len(self.spectrum))
        task = process(together, self.spectrum, seed)
        drawn = task.sample(stream(*names, "composite"), self.prompts, self.pairs + 1)
        x, y = drawn.inputs, drawn.outputs[..., 0]
        gram = task.gram(x)
        eta = float(1 / np.abs(gram[:, :-1, :-1]).sum(1).max())
        heads = [
            {
                "attention": term.kernel.model_dump(),
                "weight": term.weight,
                "coordinates": term.coordinates,
            }
            for term in together.terms
        ]
        shipped = _shipped(heads, eta, self.layers, x, y)
        followed = descend(gram, y, np.full(self.layers, eta))[..., -1]
        return make_rows(
            {**labels, "method": "linear_exponential"},
            metric="composite_gap",
            iterate=np.arange(1, self.layers + 1),
            value=_gap(shipped - followed),
            n=self.prompts,
        )

    def _in_the_limit(
        self, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        own = {**labels, "method": "exponential", "seed": 0}
        tasks = [
            process(inner_product_kernel("exponential"), self.spectrum, s)
            for s in range(self.seeds)
        ]
        drawn = [
            task.sample(stream(*names, seed), self.prompts, self.few + 1)
            for seed, task in enumerate(tasks)
        ]
        x = np.concatenate([prompts.inputs for prompts in drawn])
        y = np.concatenate([prompts.outputs for prompts in drawn])[..., 0]
        bayes = np.stack(
            [task.bayes(each)[:, -1, 0] for task, each in zip(tasks, drawn, strict=True)]
        )
        by_seed = (self.seeds, self.prompts)

        context = x[:, :-1]
        largest = np.linalg.eigvalsh(tasks[0].gram(context))[:, -1]
        layers = _layers("exponential", torch.from_numpy(1 / largest), x, y)
        for depth, found in zip(range(1, self.depths[-1] + 1), layers, strict=False):
            if depth not in self.depths:
                continue
            gap = np.abs(-found[:, -1].reshape(by_seed) - bayes)
            at: dict[str, Any] = {"iterate": depth, "seed": np.arange(self.seeds)}
            at["n"] = self.prompts
            yield make_rows(own, metric="bayes_gap", value=gap.max(1), **at)
            yield make_rows(own, metric="bayes_gap_median", value=np.median(gap, axis=1), **at)

        for percent in self.percents:
            eta = torch.from_numpy(percent / 50 / largest)
            layers = islice(_layers("exponential", eta, x, y), self.contractions)
            residuals = np.stack([y, *layers])[..., :-1]
            norms = np.linalg.norm(residuals, axis=-1).reshape(-1, *by_seed)
            ratios = norms[1:] / norms[:-1]
            at = {"iterate": self.contractions, "reference_iterate": percent}
            at |= {"seed": np.arange(self.seeds), "n": self.prompts}
            largest_ratio, last_ratio = ratios.max((0, 2)), ratios[-1].min(1)
            yield make_rows(own, metric="largest_residual_ratio", value=largest_ratio, **at)
            yield make_rows(own, metric="last_residual_ratio", value=last_ratio, **at)

    def _bayes_losses(
        self, names: tuple[str, ...], labels: Mapping[str, Any], seed: int
    ) -> Iterator[pd.DataFrame]:
        counts = np.array(self.counts)
        for kind in KERNELS:
            task = process(inner_product_kernel(kind), self.spectrum, seed)
            length, dim = self.counts[-1] + 1, task.input_dim
            xi = unit_vectors(stream(*names, kind), self.sampled, length, dim)
            variances = task.conditionals(xi @ task.covariance_root)[1][:, counts]
            own = {**labels, "method": kind, "family": "reference"}
            yield make_rows(
                own,
                metric="bayes_loss",
                iterate=0,
                position=counts,
                value=variances.mean(0),
                stderr=variances.std(0, ddof=1) / np.sqrt(self.sampled),
                n=self.sampled,
            )


def _shipped(
    heads: list[dict[str, Any]],
    eta: float,
    layers: int,
    x: Float[np.ndarray, "prompt time p"],
    y: Float[np.ndarray, "prompt time"],
) -> Float[np.ndarray, "layer prompt"]:
    """Return what the shipped construction predicts for the last label after each layer."""
    model = FunctionalGD.model_validate(
        {
            "kind": "functional_gd",
            "heads": heads,
            "step": eta,
            "depths": tuple(range(1, layers + 1)),
        }
    )
    found = model.predict(torch.from_numpy(x), torch.from_numpy(y)[..., None])
    return found[:, :, -1, 0].numpy()


def _layers(
    kind: str,
    steps: Iterator[float] | Float[torch.Tensor, " prompt"],
    x: Float[np.ndarray, "prompt time p"],
    y: Float[np.ndarray, "prompt time"],
) -> Iterator[Float[np.ndarray, "prompt time"]]:
    """Yield the labels of all tokens after each layer, B = C = I, A = 0, r = -eta, without end.

    Steps are one a layer, or one a prompt for all layers. The query's label is zero before the
    first layer, and it is no key.
    """
    outputs = torch.from_numpy(np.concatenate([y[:, :-1], np.zeros_like(y[:, :1])], axis=1))
    tokens = torch.cat([torch.from_numpy(x), outputs[..., None]], dim=-1)
    read = blocks(tokens, x=x.shape[-1], y=1)
    attention = find("attention", kind)(kind=kind)
    of_layers = repeat(steps[:, None, None]) if isinstance(steps, torch.Tensor) else steps
    for eta in of_layers:
        head = Head(attention, read["x"], read["x"], read["y"], -eta * read["y"].mT)
        tokens = attend_to_context(tokens, [head])
        yield tokens[..., -1].numpy()


def _gap(difference: Float[np.ndarray, "layer ..."]) -> Float[np.ndarray, " layer"]:
    """Return the largest difference in each layer."""
    return np.abs(difference).reshape(len(difference), -1).max(1)
