"""The settings of a run, validated, and which of its methods work on which of its tasks."""

from __future__ import annotations

from dataclasses import dataclass

from iclbench.capabilities import why_not
from iclbench.config.files import (
    ModelFile,
    RunFile,
    ScaleFile,
    SolverFile,
    StudyFile,
    TaskFile,
    chosen,
)
from iclbench.config.layers import Layers


@dataclass(frozen=True)
class Config:
    """Everything that a run is determined by, validated."""

    run: RunFile
    scale: ScaleFile
    tasks: dict[str, TaskFile]
    models: dict[str, ModelFile]
    solvers: dict[str, SolverFile]
    studies: dict[str, StudyFile]
    variants: dict[str, dict[str, ModelFile | SolverFile]]
    """The methods of each study alone."""
    layers: dict[str, dict[str, Layers]]
    """Which file said what, by room and name; of variants by ``variants`` and ``STUDY/NAME``."""

    def methods(
        self, study: str, task: str
    ) -> tuple[dict[str, ModelFile | SolverFile], dict[str, str]]:
        """Return a study's methods on a task, and of those that cannot work there the reason."""
        settings = self.studies[study]
        methods: dict[str, ModelFile | SolverFile] = {}
        methods |= {name: self.models[name] for name in chosen(settings.models, self.models)}
        methods |= {name: self.solvers[name] for name in chosen(settings.solvers, self.solvers)}
        for name, method in self.variants[study].items():
            if task in chosen(settings.variants[name].tasks, self.tasks):
                methods[name] = method
        facts = self.tasks[task].family.facts
        reasons = {name: why_not(method.needs, facts) for name, method in methods.items()}
        return methods, {name: reason for name, reason in reasons.items() if reason}
