"""What there is: tasks, models, methods, studies, claims."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from iclbench.commands.run import read_run
from iclbench.config.files import ModelFile, SolverFile, chosen
from iclbench.config.run import Config

Line = tuple[str, str, str]
"""A name, what kind of thing it is, and what its file says of it."""


def show_list(what: str, scale: str | None = None) -> None:
    """Print the names of a room, each with one line.

    Args:
        what: ``tasks``, ``models``, ``methods``, ``studies`` or ``claims``.
        scale: The scale; by default the run's.
    """
    listed = {
        "tasks": _tasks,
        "models": _models,
        "methods": _methods,
        "studies": _studies,
        "claims": _claims,
    }
    lines = list(listed[what](read_run(scale)))
    sys.stdout.write(as_columns(lines, shutil.get_terminal_size().columns))


def as_columns(lines: Sequence[Line], width: int) -> str:
    """Return three columns, the last one wrapped, or below the others where they leave no room.

    Examples:
        >>> lines = [("haar", "T = 50", "Orthogonal maps"), ("noisy", "T = 11", "Noise")]
        >>> print(as_columns(lines, 80))
        haar   T = 50  Orthogonal maps
        noisy  T = 11  Noise
        <BLANKLINE>
        >>> print(as_columns(lines, 20))
        haar  T = 50
            Orthogonal maps
        noisy  T = 11
            Noise
        <BLANKLINE>
    """
    names = max((len(name) for name, *_ in lines), default=0)
    kinds = max((len(kind) for _, kind, _ in lines), default=0)
    indent = names + kinds + 4
    text = []
    for name, kind, summary in lines:
        if width - indent >= 40 or 2 * indent <= width:
            wrapped = textwrap.wrap(summary, width - indent) or [""]
            line = f"{name:<{names}}  {kind:<{kinds}}  " + f"\n{' ' * indent}".join(wrapped)
        else:
            wrapped = textwrap.wrap(summary, max(width, 20) - 4)
            line = "\n    ".join([f"{name}  {kind}", *wrapped])
        text.append(line.rstrip() + "\n")
    return "".join(text)


def _tasks(config: Config) -> Iterator[Line]:
    for name, task in config.tasks.items():
        yield name, f"{task.family.kind}, T = {task.length}", task.summary


def _models(config: Config) -> Iterator[Line]:
    yield from _files({**config.models})
    for study, variants in config.variants.items():
        yield from _files(
            {name: file for name, file in variants.items() if isinstance(file, ModelFile)}, study
        )


def _methods(config: Config) -> Iterator[Line]:
    yield from _files({**config.models, **config.solvers})
    for study, variants in config.variants.items():
        yield from _files(variants, study)


def _files(files: dict[str, ModelFile | SolverFile], study: str | None = None) -> Iterator[Line]:
    for name, file in files.items():
        yield (
            name,
            f"{file.family}, {file.method.kind}" + (f" ({study})" if study else ""),
            file.summary,
        )


def _studies(config: Config) -> Iterator[Line]:
    for name, study in config.studies.items():
        counts = {
            "task": len(chosen(study.tasks, config.tasks)),
            "measurement": len(study.measurements),
            "figure": len(study.figures),
            "claim": len(study.claims),
        }
        some = [f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items() if count]
        yield name, ", ".join(some), f"{study.summary} {study.paper or ''}".strip()


def _claims(config: Config) -> Iterator[Line]:
    for name, study in config.studies.items():
        for kind, claims in (("claim", study.claims), ("control", study.controls)):
            for title, claim in claims.items():
                decided = config.run.scale in claim.scales
                note = kind if decided else f"{kind}, not at this scale"
                yield f"{name}/{title}", note, claim.statement
