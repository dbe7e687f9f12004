"""Gradient descent for least squares on every prefix, at all iterations in closed form."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefix_spectrum import Eigenbases, Spectral, approach, spectrum
from iclbench.solvers.prefixes import reciprocal
from iclbench.streams import stream

Step = Annotated[float, Field(gt=0)]


def initial_weights(
    kind: str, seed: int, inputs: Float[torch.Tensor, "batch time p"], q: int
) -> Float[torch.Tensor, "p q"]:
    """Return weights drawn from U[0, 1] / sqrt(p), the same for every prompt.

    The start of gradient descent in the figures of Fu et al. 2024 (arXiv 2310.17086).
    """
    p = inputs.shape[-1]
    drawn = stream(kind, seed).random((p, q)) / p**0.5
    return torch.as_tensor(drawn, dtype=inputs.dtype, device=inputs.device)


class GradientDescent(Spectral):
    """n steps W <- W + eta sum_{s<t} (y_s - W x_s) x_s^T, down 1/2 sum_{s<t} |y_s - W x_s|^2.

    With S = V diag(l) V^T the error along v_i shrinks by 1 - eta l_i a step, so that one
    eigendecomposition a prefix gives every iterate: from W = 0, W_n is the minimum-norm least
    squares solution times 1 - (1 - eta l_i)^n along v_i.

    One step from 0 is the in-context gradient step of von Oswald et al. 2023 (arXiv 2212.07677)
    and Sander et al. 2024 (arXiv 2402.05787, section 4). The loss is not divided by the number of
    pairs, as in the code of Fu et al. 2024 (arXiv 2310.17086), whose text divides by it. Works in
    float64, whatever the inputs.
    """

    kind: Literal["gradient_descent"] = Field(
        description="gradient descent for least squares on the pairs before t"
    )
    step: (
        Step
        | Annotated[tuple[Step, ...], Field(min_length=1, max_length=100_000)]
        | Literal["stable", "optimal"]
    ) = Field(
        default="optimal",
        description="eta: one for all positions, a list with one a position, or of each prefix: "
        "stable is 1/l_max, optimal 2/(l_min + l_max) over the nonzero eigenvalues of S",
    )
    iterations: Iterations = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        description="numbers of steps reported; 0 is the start",
    )
    start: Literal["zero", "uniform"] = Field(
        default="zero",
        description="W_0: zero, or drawn from U[0, 1] / sqrt(p), the same for every prompt",
    )
    normalise: bool = Field(
        default=False, description="scale predictions to unit norm (those that are not zero)"
    )
    seed: int = Field(default=0, ge=0, description="of the stream that draws a uniform start")

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"autoregressive", "unit-norm inputs"}) if self.normalise else frozenset()

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.iterations

    @override
    def predict_in(
        self,
        bases: Eigenbases,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        """Predict y_t by W_n x_t from the pairs before t, and by W_0 x_t where there are none.

        Raises:
            ValueError: If step sizes are listed by position and are fewer than the positions.
        """
        x, y = inputs.double(), outputs.double()
        offset = torch.zeros_like(y)
        if self.start == "uniform":
            offset = x @ initial_weights(self.kind, self.seed, x, y.shape[-1])
        # Descent from W_0 is descent from zero towards what W_0 leaves to explain.
        values, query, target = spectrum(bases, x, y - offset)
        modes = (query * reciprocal(values)).unsqueeze(-1) * target
        predictions = offset + approach(modes, self.steps(values) * values, self.iterations)
        if self.normalise:
            predictions = torch.nn.functional.normalize(predictions, dim=-1, eps=1e-300)
        return predictions.to(inputs.dtype)

    def steps(self, values: Float[torch.Tensor, "batch time p"]) -> Float[torch.Tensor, "*#b #t 1"]:
        """Return eta for the eigenvalues of S_t, ascending."""
        length = values.shape[1]
        match self.step:
            case "stable":
                return reciprocal(values[..., -1:])
            case "optimal":
                least = values.where(values > 0, torch.inf).amin(-1, keepdim=True)
                return 2 / (least + values[..., -1:])
            case tuple():
                if len(self.step) < length:
                    raise ValueError(
                        f"step lists {len(self.step)} positions, but the prompts have "
                        f"{length}; list one step size a position"
                    )
                return values.new_tensor(self.step[:length]).reshape(1, length, 1)
            case _:
                return values.new_full((1, 1, 1), self.step)
