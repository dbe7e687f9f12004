"""What each YAML file may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from iclbench import measurement
from iclbench.capabilities import Fact
from iclbench.claims.claim import Claim
from iclbench.method import Method
from iclbench.models.trained import TrainedModel
from iclbench.registry import any_of, locations
from iclbench.settings import Settings
from iclbench.tasks.family import Family
from iclbench.training.settings import Training

if TYPE_CHECKING:
    Dynamics = Regression = Family
    Model = Method | TrainedModel
    Solver = Method
    AnyMeasurement = measurement.AnyMeasurement
    FigureKind = str
else:
    Dynamics = any_of("dynamics")
    Regression = any_of("regression")
    Model = any_of("models")
    Solver = any_of("solvers")
    AnyMeasurement = any_of("measurements")
    FigureKind = Literal[*sorted(locations("figures"))]

Summary = Annotated[
    str, Field(min_length=1, max_length=200, description="one line on what this is, for tables")
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ClaimName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Names = Annotated[
    Literal["all"] | list[str],
    Field(description="``all``, or a list of names of files, without .yaml"),
]
Overlay = Annotated[
    dict[str, dict[str, Any]],
    Field(default_factory=dict, description="settings laid over a file's, by its name or ``*``"),
]


OF_A_TASK = ("context", "iterates", "similarity")
"""The kinds of figures that draw one task."""


class TaskFile(Settings):
    """config/tasks/NAME.yaml: a distribution over prompts and their length."""

    summary: Summary
    length: int = Field(ge=1, le=100_000, description="T, the number of pairs in a prompt")
    dynamics: Dynamics | None = Field(
        default=None, description="the law of s_{t+1} = f(s_t), for an autoregressive task"
    )
    regression: Regression | None = Field(
        default=None, description="the law of the pairs (x, f(x)), for a regression task"
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> TaskFile:
        if (self.dynamics is None) == (self.regression is None):
            raise ValueError("a task has either dynamics or regression; give one of the two")
        return self

    @property
    def room(self) -> str:
        """The registry room of this task's family."""
        return "regression" if self.dynamics is None else "dynamics"

    @property
    def family(self) -> Family:
        """The distribution over prompts."""
        family = self.dynamics or self.regression
        assert family is not None
        return family


class ModelFile(Settings):
    """config/models/NAME.yaml: a transformer, trained or built from given weights."""

    summary: Summary
    model: Model = Field(description="the architecture or construction")
    training: Training | None = Field(default=None, description="how a trained model is trained")

    @model_validator(mode="after")
    def _trains_if_it_can(self) -> ModelFile:
        if isinstance(self.model, TrainedModel) and self.training is None:
            raise ValueError("this model is trained; say how under training (steps, batch, …)")
        if isinstance(self.model, Method) and self.training is not None:
            raise ValueError("this model is built from given weights; remove training")
        if (
            isinstance(self.model, TrainedModel)
            and not self.model.has_blocks
            and self.training is not None
            and self.training.muon is not None
        ):
            raise ValueError(
                f"training.muon: a model of kind {self.model.kind} has no blocks of matrices; "
                "remove muon"
            )
        return self

    @property
    def method(self) -> Method | TrainedModel:
        """The model, as a method among others."""
        return self.model

    @property
    def family(self) -> str:
        """The family of the method, as rows have it."""
        return "trained" if isinstance(self.model, TrainedModel) else "constructed"

    @property
    def needs(self) -> frozenset[Fact]:
        """What must hold of a task for this model to work on it."""
        return self.model.needs


class SolverFile(Settings):
    """config/solvers/NAME.yaml: a classical algorithm with its parameters."""

    summary: Summary
    solver: Solver = Field(description="the algorithm")

    @property
    def method(self) -> Method:
        """The solver, as a method among others."""
        return self.solver

    @property
    def family(self) -> str:
        """The family of the method, as rows have it."""
        return "solver"

    @property
    def needs(self) -> frozenset[Fact]:
        """What must hold of a task for this solver to work on it."""
        return self.solver.needs


class Figure(Settings):
    """A figure of a study.

    It is drawn from the rows of ``from``, or else of all tasks of the study: once a task where its
    kind draws one task.
    """

    kind: FigureKind = Field(description="what is drawn")
    tables: list[str] = Field(
        default=[],
        alias="from",
        description="measurements, tasks and training (its curves) it draws; default: all tasks",
    )

    @model_validator(mode="after")
    def _draws_a_task_or_tables(self) -> Figure:
        if self.tables and self.kind in OF_A_TASK:
            raise ValueError(f"a figure of kind {self.kind} is drawn for every task; remove from")
        return self

    @property
    def is_per_task(self) -> bool:
        """Whether there is one such figure a task, and not one for the study."""
        return self.kind in OF_A_TASK


class Variant(Settings):
    """A method of one study alone: a file in config/models or config/solvers, otherwise set.

    A scale's settings of that file hold for the variant too: under ``training`` over what the
    variant says, elsewhere beneath it. What a scale says of the variant itself comes last. Two
    studies may have a variant of one name if its settings are the same: it is trained once.
    """

    of: str | None = Field(
        default=None,
        description="the name of a file in config/models or solvers, without .yaml; if there is "
        "none, the variant says all that such a file would",
    )
    tasks: Names = Field(default="all", description="the tasks of the study that it runs on")
    model: dict[str, Any] = Field(default={}, description="settings laid over the file's model")
    solver: dict[str, Any] = Field(default={}, description="settings laid over the file's solver")
    training: dict[str, Any] = Field(
        default={}, description="settings laid over the file's training"
    )


class StudyFile(Settings):
    """config/studies/NAME.yaml: what a study runs and measures, draws of it, and claims.

    Its methods run on its tasks, on the same prompts; its measurements are what it measures beyond
    that. Figures and claims are queries on the rows of both. A scale leaves a variant, a
    measurement or a figure out by null; a figure then draws what is left of what it draws.
    """

    summary: Summary
    paper: str | None = Field(
        default=None, max_length=200, description="the paper that the claims are taken from"
    )
    seeds: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="seeds of this study's variants, where not the scale's number",
    )
    tasks: Names = Field(default=[])
    models: Names = Field(default=[])
    solvers: Names = Field(default=[])
    variants: dict[Name, Variant] = Field(
        default={}, description="methods of this study alone, by name"
    )
    similarities: list[Literal["errors", "predictions"]] = Field(
        default=["errors"], description="what is compared between every two methods, by its cosine"
    )
    measurements: dict[Name, AnyMeasurement] = Field(
        default={}, description="what only this study measures, by name"
    )
    figures: dict[Name, Figure] = Field(
        default={}, description="figures by name, the target ``fig_NAME`` (or ``fig_NAME_TASK``)"
    )
    claims: dict[ClaimName, Claim] = Field(
        default={},
        description="claims by their number in the study, the target ``claim_STUDY_NAME``",
    )
    controls: dict[ClaimName, Claim] = Field(
        default={}, description="claims known to be false: a control must come out refuted"
    )


class ScaleFile(Settings):
    """config/scales/NAME.yaml: how much is run, laid over everything but the run itself."""

    summary: Summary
    seeds: int = Field(ge=1, le=10_000, description="seeds of every trained model")
    prompts: int = Field(ge=2, le=1_000_000, description="evaluation prompts of every task")
    prompts_at_once: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="evaluation prompts that a method which is not trained predicts at a time: its "
        "memory is that of these, whatever the number of all",
    )
    tasks: Overlay
    models: Overlay
    solvers: Overlay
    studies: Overlay


class RunFile(Settings):
    """config.yaml: the run."""

    scale: str = Field(description="how much to run: the name of a file in config/scales")
    studies: Names = "all"
    seed: int = Field(
        default=0, ge=0, description="the root of the streams of prompts, weights and training data"
    )
    strict: bool = Field(
        default=False,
        description="whether the run fails if a claim that this scale can decide is not supported, "
        "or a control not refuted",
    )
    memory: int = Field(
        default=64,
        ge=1,
        le=1_000_000,
        description="GB that a job may take: what would need more is refused before anything runs",
    )
    checkpoint_every: str = Field(
        default="60 s",
        pattern=r"^([1-9][0-9]*( s| steps)|[0-9]+\.[0-9]*[1-9] s)$",
        description="time or steps between two checkpoints of a training job: 60 s, or 500 steps",
    )


def chosen(names: Any, known: Mapping[str, Any]) -> list[str]:
    """Return the names that ``all`` or a list of names stands for, in order of the alphabet."""
    return sorted(known) if names == "all" else sorted(names)


def named(name: str, figure: Figure, tasks: Sequence[str]) -> list[str]:
    """Return the names of what a figure of a study stands for: one figure, or one a task."""
    return [f"{name}_{task}" for task in tasks] if figure.is_per_task else [name]
