"""A Snakefile with as many rules, jobs and files as another, and nothing else in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DRY_RUN = re.compile(r"^(?:local)?rule (\w+):\n((?:    .+\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job of a dry run: its rule, what it reads, what it makes."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def jobs(printed: str) -> list[Job]:
    """Return the jobs that a dry run of everything has printed."""
    return [
        Job(rule, _files("input", about), _files("output", about))
        for rule, about in DRY_RUN.findall(printed)
    ]


def _files(kind: str, about: str) -> tuple[str, ...]:
    found = re.search(rf"^    {kind}: (.+)$", about, re.MULTILINE)
    return tuple(found[1].split(", ")) if found else ()


def write(folder: Path, found: Sequence[Job], rules: int) -> None:
    """Write a Snakefile of these jobs into a folder, and the files that none of them makes.

    A rule has its jobs by one wildcard and looks their inputs up; files are renamed by rule and
    number. Further rules, one input each, make up the number of rules.
    """
    members: dict[str, list[Job]] = {}
    for job in found:
        members.setdefault(job.rule, []).append(job)
    names = {
        output: f"made/{rule}/{number}.{part}"
        for rule, some in members.items()
        for number, job in enumerate(some)
        for part, output in enumerate(job.outputs)
    }
    for path in dict.fromkeys(path for job in found for path in job.inputs if path not in names):
        names[path] = f"given/{len(names)}"
        (folder / names[path]).parent.mkdir(parents=True, exist_ok=True)
        (folder / names[path]).touch()
    inputs = {
        rule: [[names[path] for path in job.inputs] for job in some]
        for rule, some in members.items()
    }
    parts = [f"INPUTS = {json.dumps(inputs)}\n"]
    # Targets come first: what has no outputs is asked for and makes nothing itself.
    numbers = {rule: len(some[0].outputs) for rule, some in members.items()}
    parts += [
        _rule(rule, numbers[rule]) for rule in sorted(members, key=lambda rule: numbers[rule])
    ]
    some = next(path for path in names.values() if path.startswith("given/"))
    parts += [
        f'rule further_{number}:\n    input: "{some}"\n' for number in range(rules - len(members))
    ]
    (folder / "Snakefile").write_text("\n".join(parts))


def _rule(name: str, outputs: int) -> str:
    if not outputs:
        return f'rule {name}:\n    input: INPUTS["{name}"][0]\n'
    made = ", ".join(f'"made/{name}/{{job}}.{part}"' for part in range(outputs))
    return (
        f"rule {name}:\n"
        f'    input: lambda wildcards: INPUTS["{name}"][int(wildcards.job)]\n'
        f"    output: {made}\n"
        f'    log: "logs/{name}/{{job}}.log"\n'
        '    shell: "touch {output} 2> {log}"\n'
    )
