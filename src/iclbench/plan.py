"""What a run consists of: its jobs, and for each job one file with everything that determines it.

A job's plan holds the settings it works from, the digest of the code it runs, and the versions of
the libraries that compute. It is an input of the job like any other: a job is out of date exactly
when its plan, its rule or the results it reads have changed. Plans are named by what they hold, so
that another run's, or a dry run's, never take the place of those that a run under way still reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from iclbench.digests import digest
from iclbench.files import written_aside


@dataclass(frozen=True)
class Figure:
    """A figure to draw: its study, its task where it has one, the tables it reads, whose they are.

    ``methods`` is the names of the methods in these tables, or their number if they are many.
    """

    name: str
    kind: str
    study: str
    task: str | None
    tables: tuple[str, ...]
    methods: str


@dataclass(frozen=True)
class Decision:
    """Claims to decide: the tables that hold their evidence, the figures that show it."""

    tables: tuple[str, ...]
    figures: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, by stage.

    Attributes:
        tasks: Tasks that evaluation prompts are drawn for.
        trained: The models trained on each task.
        predicted: The tasks that each study compares methods on.
        models: The trained models that each study compares on each task.
        measured: The measurements of each study.
        examined: The task, and the trained models, of those measurements that examine methods, by
            study and name.
        figures: Figures by name.
        decisions: Claims and controls: each alone by ``STUDY/NAME``, and all of a study by
            ``STUDY``.
        texts: Every job's plan, by stage and name.
    """

    tasks: list[str]
    trained: dict[str, list[str]]
    predicted: dict[str, list[str]]
    models: dict[tuple[str, str], list[str]]
    measured: dict[str, list[str]]
    examined: dict[tuple[str, str], tuple[str, list[str]]]
    figures: dict[str, Figure]
    decisions: dict[str, Decision]
    texts: dict[str, str] = field(repr=False)

    def file(self, job: str) -> str:
        """Return the path of a job's plan below the folder of plans; a job is ``stage/name``."""
        return f"{job}.{digest(self.texts[job])}.json"

    def as_json(self) -> dict[str, Any]:
        """Return this plan as what JSON can hold."""
        return asdict(self) | {
            "models": [[*names, models] for names, models in self.models.items()],
            "examined": [[*names, *of] for names, of in self.examined.items()],
            "decisions": {
                name: [decision.tables, sorted(decision.figures)]
                for name, decision in self.decisions.items()
            },
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Plan:
        """Return the plan that ``as_json`` has written."""
        rebuilt = {
            "models": {(study, task): models for study, task, models in found["models"]},
            "examined": {
                (study, name): (task, models) for study, name, task, models in found["examined"]
            },
            "figures": {
                name: Figure(**figure | {"tables": tuple(figure["tables"])})
                for name, figure in found["figures"].items()
            },
            "decisions": {
                name: Decision(tuple(tables), frozenset(figures))
                for name, (tables, figures) in found["decisions"].items()
            },
        }
        return cls(**{**found, **rebuilt})

    @property
    def shown(self) -> list[str]:
        """The names of the figures that claims point to."""
        return sorted({figure for each in self.decisions.values() for figure in each.figures})

    @property
    def figures_of_kinds(self) -> dict[str, list[str]]:
        """The names of the figures of each kind."""
        kinds: dict[str, list[str]] = {}
        for figure in self.figures.values():
            kinds.setdefault(figure.kind, []).append(figure.name)
        return kinds

    def write(self, folder: Path) -> Callable[[], None]:
        """Write the plans that are not there yet below a folder.

        A plan that returns after another one of its job is renewed: what was made by the other one
        in between is out of date, also where nothing but the times of files tells.

        Returns:
            A function that takes all of this back, for a run that only looks at what is to be done.
        """
        undo: list[Callable[[], object]] = []
        for job, text in self.texts.items():
            path = folder / self.file(job)
            if not path.exists():
                with written_aside(path) as aside:
                    aside.write_text(text, encoding="utf-8")
                undo.append(partial(path.unlink, missing_ok=True))
                continue
            made = path.stat().st_mtime_ns
            others = path.parent.glob(f"{path.name.partition('.')[0]}.*.json")
            if any(other.stat().st_mtime_ns > made for other in others):
                path.touch()
                undo.append(partial(os.utime, path, ns=(made, made)))

        def take_back() -> None:
            for step in undo:
                step()

        return take_back

    def stale(self, results: Path) -> list[Path]:
        """Return tables, figures and verdicts in the folder of results that are not of this run.

        Verdicts of single claims are among them: those of whole studies hold them too.
        """
        metrics = results / "metrics"
        tables = {f"training/{task}/{model}" for task in self.tasks for model in self.trained[task]}
        tables |= {f"{study}/{task}" for study, tasks in self.predicted.items() for task in tasks}
        tables |= {
            f"measured/{study}/{name}" for study, names in self.measured.items() for name in names
        }
        files = [*metrics.rglob("*.parquet")]
        old = [path for path in files if _name_below(metrics, path) not in tables]
        figures, claims = results / "figures", results / "claims"
        old += [path for path in figures.glob("*.*") if path.stem not in self.figures]
        studies = {decided for decided in self.decisions if "/" not in decided}
        verdicts = [path for path in claims.rglob("*.parquet") if path.stem != "scorecard"]
        old += [path for path in verdicts if _name_below(claims, path) not in studies]
        return sorted(old)


def _name_below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()
