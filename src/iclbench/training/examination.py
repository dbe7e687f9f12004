"""An examination: what a paper measures of methods on a task, trained ones among them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxtyping import Float
from pydantic import Field

from iclbench.lazy import pd, torch
from iclbench.measurement import AnyMeasurement
from iclbench.method import Method
from iclbench.models.trained import TrainedModel
from iclbench.tasks.family import Family
from iclbench.training.trained import Trained, predict

Predict: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"


@dataclass(frozen=True)
class Examinee:
    """A method to examine: of one seed, where it was trained.

    Attributes:
        method: Its name in the study.
        family: Trained, constructed or solver.
        seed: 0 where it was not trained.
        iterates: Its depths or iterations.
        predict: From inputs (B,T,p) and outputs (B,T,q) to predictions (K,B,T,q); T at most the
            length of the task's prompts.
    """

    method: str
    family: str
    seed: int
    iterates: tuple[int, ...]
    predict: Predict


@dataclass(frozen=True)
class Learner:
    """A trained model to look into: its architecture, and the parameters of all its seeds."""

    method: str
    model: TrainedModel
    trained: Trained


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Attributes:
        task: The distribution over prompts that models were trained on.
        length: T, the pairs of a prompt.
        power: E|y_t|^2 / q, by which errors are normalised.
        inputs: The inputs of the task's evaluation prompts.
        outputs: Their outputs.
        methods: The methods that are not trained, by name, with their family.
        learners: The trained models.
    """

    task: Family
    length: int
    power: float
    inputs: Float[torch.Tensor, "batch time p"]
    outputs: Float[torch.Tensor, "batch time q"]
    methods: Mapping[str, tuple[str, Method]]
    learners: tuple[Learner, ...]

    @property
    def examinees(self) -> Iterator[Examinee]:
        """All methods; a trained one once a seed."""
        for name, (family, method) in self.methods.items():
            yield Examinee(name, family, 0, method.iterates, method.predict)
        for learner in self.learners:
            for place, seed in enumerate(learner.trained.seeds):
                yield Examinee(
                    learner.method,
                    "trained",
                    seed,
                    learner.model.iterates,
                    _predict_of(learner, place),
                )


class Examination(AnyMeasurement):
    """A measurement of methods of its study on one of its tasks."""

    of: str = Field(description="the task of the study whose models and prompts are examined")
    methods: tuple[str, ...] = Field(
        min_length=1, description="methods of the study that work on the task, trained or not"
    )

    @abstractmethod
    def examine(
        self, subject: Subject, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Yield tables of rows, as ``iclbench.records.make_rows`` returns them.

        Args:
            subject: The task, its prompts, and the methods.
            names: What the names of random streams begin with.
            labels: The columns study, task (the name of the measurement), scale, config and code.
        """


def _predict_of(learner: Learner, place: int) -> Predict:
    alone = learner.trained.of_seed(place)

    def of_seed(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        return predict(alone, learner.model, inputs, outputs)[0]

    return of_seed
