"""Where each kind of thing is found: one table a room, from the name used in YAML to its class.

A kind is one class in one file. Ours are listed here; a user's own package adds its kinds through
entry points of the groups ``iclbench.dynamics``, ``iclbench.regression``, ``iclbench.kernels``,
``iclbench.attention``, ``iclbench.models``, ``iclbench.solvers``, ``iclbench.measurements`` and
``iclbench.figures`` (there functions, not classes), without touching this file.
"""

from __future__ import annotations

from functools import cache, reduce
from importlib import import_module
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any

from pydantic import Field

KINDS: dict[str, dict[str, str]] = {
    "dynamics": {
        "commuting_orthogonal": "iclbench.tasks.dynamics.commuting_orthogonal:CommutingOrthogonal",
        "commuting_unitary": "iclbench.tasks.dynamics.commuting_unitary:CommutingUnitary",
        "concentrated": "iclbench.tasks.dynamics.concentrated:Concentrated",
        "haar": "iclbench.tasks.dynamics.haar:Haar",
        "linear": "iclbench.tasks.dynamics.linear:LinearDynamics",
        "network": "iclbench.tasks.dynamics.network:Network",
        "periodic": "iclbench.tasks.dynamics.periodic:Periodic",
        "rkhs": "iclbench.tasks.dynamics.rkhs:Rkhs",
        "rotation": "iclbench.tasks.dynamics.rotation:Rotation",
    },
    "regression": {
        "gaussian_process": "iclbench.tasks.regression.gaussian_process:GaussianProcess",
        "linear": "iclbench.tasks.regression.linear:LinearRegression",
        "recall": "iclbench.tasks.regression.recall:Recall",
        "relu_network": "iclbench.tasks.regression.relu_network:ReluNetwork",
    },
    "kernels": {
        "exponential": "iclbench.kernels.exponential:ExponentialKernel",
        "linear": "iclbench.kernels.linear:LinearKernel",
        "relu": "iclbench.kernels.relu:ReluKernel",
    },
    "attention": {
        "delta": "iclbench.attention.delta:Delta",
        "exponential": "iclbench.attention.exponential:Exponential",
        "gated_linear": "iclbench.attention.gated_linear:GatedLinear",
        "linear": "iclbench.attention.linear:Linear",
        "mesa": "iclbench.attention.mesa:Mesa",
        "relu": "iclbench.attention.relu:Relu",
        "softmax": "iclbench.attention.softmax:Softmax",
    },
    "models": {
        "attention_only": "iclbench.models.attention_only:AttentionOnly",
        "complex_attention": "iclbench.models.complex_attention:ComplexAttention",
        "gpt2": "iclbench.models.gpt2:GPT2",
        "lstm": "iclbench.models.lstm:LSTM",
        "kernel_descent": "iclbench.models.kernel_descent:KernelDescent",
        "paired": "iclbench.models.paired:Paired",
        "causal_kernel_descent": "iclbench.models.constructed.causal_kernel_descent:CausalKernelDescent",
        "functional_gd": "iclbench.models.constructed.functional_gd:FunctionalGD",
        "newton": "iclbench.models.constructed.newton:Newton",
        "recurrent": "iclbench.models.constructed.recurrent:Recurrent",
    },
    "solvers": {
        "averaging": "iclbench.solvers.averaging:Averaging",
        "bfgs": "iclbench.solvers.bfgs:BFGS",
        "bilevel": "iclbench.solvers.bilevel:Bilevel",
        "causal_kernel_descent": "iclbench.solvers.causal_kernel_descent:CausalKernelDescent",
        "complex_gradient_step": "iclbench.solvers.complex_gradient_step:ComplexGradientStep",
        "conjugate_gradient": "iclbench.solvers.conjugate_gradient:ConjugateGradient",
        "cross_validated_ridge": "iclbench.solvers.cross_validated_ridge:CrossValidatedRidge",
        "gradient_descent": "iclbench.solvers.gradient_descent:GradientDescent",
        "kaczmarz": "iclbench.solvers.kaczmarz:Kaczmarz",
        "kaczmarz_cyclic": "iclbench.solvers.kaczmarz_cyclic:CyclicKaczmarz",
        "kaczmarz_randomised": "iclbench.solvers.kaczmarz_randomised:RandomisedKaczmarz",
        "kernel_ridge": "iclbench.solvers.kernel_ridge:KernelRidge",
        "least_squares": "iclbench.solvers.least_squares:LeastSquares",
        "nearest_neighbours": "iclbench.solvers.nearest_neighbours:NearestNeighbours",
        "newton": "iclbench.solvers.newton:Newton",
        "online_gradient_descent": "iclbench.solvers.online_gradient_descent:OnlineGradientDescent",
        "ridge": "iclbench.solvers.ridge:Ridge",
        "zero": "iclbench.solvers.zero:Zero",
    },
    "measurements": {
        "ckd_agreement": "iclbench.studies.ckd.agreement:Agreement",
        "ckd_descent": "iclbench.studies.ckd.descent:Descent",
        "ckd_linear_law": "iclbench.studies.ckd.linear_law:LinearLaw",
        "ckd_periodic": "iclbench.studies.ckd.periodic:PeriodicRates",
        "ckd_stability": "iclbench.studies.ckd.stability:Stability",
        "garg_baselines": "iclbench.studies.linear_attention.baselines:Baselines",
        "garg_prompts": "iclbench.studies.linear_attention.prompts:Prompts",
        "functional_gd_construction": "iclbench.studies.functional_gd.constructions:Construction",
        "functional_gd_stationary": "iclbench.studies.functional_gd.stationary:Stationary",
        "functional_gd_trained": "iclbench.studies.functional_gd.trained:TrainedGrid",
        "hypergradient_errors": "iclbench.studies.hypergradients.errors:HypergradientErrors",
        "hypergradient_in_context": "iclbench.studies.hypergradients.in_context:InContext",
        "icar_augmented": "iclbench.studies.icar.augmented:Augmented",
        "icar_few_heads": "iclbench.studies.icar.few_heads:FewHeads",
        "icar_heads": "iclbench.studies.icar.heads:Heads",
        "icar_losses": "iclbench.studies.icar.losses:Losses",
        "icar_orbits": "iclbench.studies.icar.orbits:Orbits",
        "icar_positional": "iclbench.studies.icar.positional:Positional",
        "icar_text": "iclbench.studies.icar.text:Text",
        "implicit_affine": "iclbench.studies.implicit.affine:Affine",
        "implicit_looped": "iclbench.studies.implicit.looped:LoopedTraining",
        "linear_self_attention": "iclbench.studies.linear_attention.trained:LinearSelfAttention",
        "newton_identities": "iclbench.studies.newton.identities:Identities",
        "newton_iterations": "iclbench.studies.newton.iterations:Iterations",
        "newton_memory": "iclbench.studies.newton.memory:Memory",
        "newton_probes": "iclbench.studies.newton.probes:Probes",
        "newton_similarities": "iclbench.studies.newton.similarities:Similarities",
        "newton_weights": "iclbench.studies.newton.weights:InducedWeights",
        "ridge_tuning": "iclbench.studies.hypergradients.tuning:Tuning",
    },
    "figures": {
        "ckd_context": "iclbench.studies.ckd.figures_descent:ckd_context",
        "ckd_depth": "iclbench.studies.ckd.figures_descent:ckd_depth",
        "ckd_general": "iclbench.studies.ckd.figures_general:ckd_general",
        "ckd_limits": "iclbench.studies.ckd.figures_limits:ckd_limits",
        "ckd_periods": "iclbench.studies.ckd.figures_periods:ckd_periods",
        "ckd_rates": "iclbench.studies.ckd.figures_rates:ckd_rates",
        "ckd_stability": "iclbench.studies.ckd.figures_stability:ckd_stability",
        "ckd_trained": "iclbench.studies.ckd.figures_trained:ckd_trained",
        "ckd_transient": "iclbench.studies.ckd.figures_descent:ckd_transient",
        "context": "iclbench.plotting.context:context",
        "functional_gd_context": "iclbench.studies.functional_gd.figures:functional_gd_context",
        "functional_gd_depth": "iclbench.studies.functional_gd.figures:functional_gd_depth",
        "functional_gd_stationary": "iclbench.studies.functional_gd.figures_stationary:functional_gd_stationary",
        "garg_baselines": "iclbench.studies.linear_attention.figures_garg:garg_baselines",
        "garg_prompts": "iclbench.studies.linear_attention.figures_garg:garg_prompts",
        "hypergradient_depth": "iclbench.studies.hypergradients.figures_in_context:hypergradient_depth",
        "hypergradient_errors": "iclbench.studies.hypergradients.figures_errors:hypergradient_errors",
        "icar_depth": "iclbench.studies.icar.figures_haar:icar_depth",
        "icar_heads": "iclbench.studies.icar.figures_haar:icar_heads",
        "icar_matrices": "iclbench.studies.icar.figures_matrices:icar_matrices",
        "icar_orbits": "iclbench.studies.icar.figures_orbits:icar_orbits",
        "icar_positional": "iclbench.studies.icar.figures_positional:icar_positional",
        "icar_text": "iclbench.studies.icar.figures_text:icar_text",
        "icar_theory": "iclbench.studies.icar.figures_theory:icar_theory",
        "inner_iterations": "iclbench.studies.implicit.figures:inner_iterations",
        "iterates": "iclbench.plotting.iterates:iterates",
        "leaderboard": "iclbench.plotting.leaderboard:leaderboard",
        "linear_self_attention": "iclbench.studies.linear_attention.figures_layers:linear_self_attention",
        "newton_context": "iclbench.studies.newton.figures_context:newton_context",
        "newton_layers": "iclbench.studies.newton.figures_layers:newton_layers",
        "newton_memory": "iclbench.studies.newton.figures_context:newton_memory",
        "newton_rates": "iclbench.studies.newton.figures_solvers:newton_rates",
        "newton_table": "iclbench.studies.newton.figures_solvers:newton_table",
        "newton_width": "iclbench.studies.newton.figures_context:newton_width",
        "ridge_tuning": "iclbench.studies.hypergradients.figures_in_context:ridge_tuning",
        "similarity": "iclbench.plotting.similarity:similarity",
        "training": "iclbench.plotting.training:training",
    },
}


@cache
def locations(room: str) -> dict[str, str]:
    """Return where each kind of a room lives, as ``module:Class``, ours and those of entry points.

    Raises:
        ValueError: If an entry point uses the name of one of our kinds.
    """
    found = dict(KINDS[room])
    for entry in entry_points(group=f"iclbench.{room}"):
        if entry.name in found:
            raise ValueError(
                f"entry point {entry.value!r}: the kind {entry.name!r} of {room} exists already "
                f"({found[entry.name]}); give yours another name"
            )
        found[entry.name] = entry.value
    return found


def find(room: str, kind: str) -> Any:
    """Return the class of a kind; of a figure, the function that draws it.

    Raises:
        KeyError: If the room has no such kind.
    """
    module, _, name = locations(room)[kind].partition(":")
    return getattr(import_module(module), name)


def any_of(room: str) -> Any:
    """Return the type "settings of one of the kinds of this room", told apart by ``kind``."""
    classes = [find(room, kind) for kind in locations(room)]
    return Annotated[reduce(or_, classes), Field(discriminator="kind")]
