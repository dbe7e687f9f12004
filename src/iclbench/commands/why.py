"""What the next run will do again, why, and what it will cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclbench.commands.run import read_run
from iclbench.files import JobError
from iclbench.plan import Plan
from iclbench.planning import make_plan
from iclbench.usage import spoken, used

PLANS = Path("results", "plan")
FOLLOWS = "what it reads is made anew"


@dataclass(frozen=True)
class Due:
    """A job that the next run does: ``stage/name`` as in plans, a result, Snakemake's reason."""

    job: str
    result: str
    reason: str


def explain_run(
    targets: Sequence[str] = (), cores: int | None = None, scale: str | None = None
) -> None:
    """Print which jobs the next run does, grouped by why, and what they took the last time.

    Args:
        targets: What would be given to Snakemake; by default everything.
        cores: On how many cores it would run; by default all.
        scale: The scale of the run; by default that of config.yaml.

    Raises:
        JobError: If Snakemake cannot plan the run; it says why.
    """
    plan = make_plan(read_run(scale))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    command += [] if scale is None else ["--config", f"scale={scale}"]
    command += ["--", *targets] if targets else []
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise JobError((found.stdout + found.stderr).strip() or "snakemake --dry-run failed")
    due = list(read_dry_run(found.stdout))
    if not due and "Nothing to be done" not in found.stdout + found.stderr:
        raise JobError(
            "snakemake --dry-run names no jobs; is `quiet` set in a profile of yours? take it out"
        )
    sys.stdout.write("\n".join(in_words(plan, due, cores or os.cpu_count() or 1)) + "\n")


def read_dry_run(text: str) -> Iterator[Due]:
    """Yield the jobs that a dry run of the workflow names.

    Examples:
        >>> text = '''
        ... rule draw_prompts:
        ...     output: results/prompts/haar.safetensors
        ...     log: results/logs/prompts/haar.log
        ...     reason: Forced execution
        ... '''
        >>> due, = read_dry_run(text)
        >>> due.job, due.result, due.reason
        ('prompts/haar', 'results/prompts/haar.safetensors', 'Forced execution')
    """
    job, result = None, ""
    for line in text.splitlines():
        if line.endswith(":") and "rule " in line and not line.startswith(" "):
            job, result = None, ""
        elif output := re.fullmatch(r" {4}output: (.+?)(, .+)?", line):
            result = output[1]
        elif log := re.fullmatch(r" {4}log: results/logs/(.+)\.log", line):
            job = log[1]
        elif job and (reason := re.fullmatch(r" {4}reason: (.+)", line)):
            yield Due(job, result, reason[1])


def in_words(plan: Plan, due: Sequence[Due], cores: int) -> Iterator[str]:
    """Yield lines: the jobs by why they are due, and the cost of all."""
    if not due:
        yield "Nothing: all is made, and of these settings, code and versions."
        return
    groups: dict[tuple[str, str], list[str]] = {}
    for each in due:
        stage = each.job.partition("/")[0]
        groups.setdefault((stage, cause(plan, each)), []).append(each.job)
    for (stage, why), jobs in sorted(groups.items(), key=lambda group: group[0][1] == FOLLOWS):
        named = ", ".join(job.partition("/")[2] for job in jobs[:4])
        more = f" and {len(jobs) - 4} more" if len(jobs) > 4 else ""
        yield f"{stage} {named}{more}"
        yield f"    {len(jobs)} job{'s' * (len(jobs) != 1)}; {why}{_took(jobs)}"
    known = [seconds for each in due if (seconds := used(each.job)) is not None]
    noun = "job" if len(due) == 1 else "jobs"
    yield ""
    if not known:
        yield f"{len(due)} {noun}; none has run here before, so what they cost is not known."
        return
    unknown = f", {len(due) - len(known)} of them never yet" if len(known) < len(due) else ""
    longest = max(known)
    time = max(sum(known) / cores, longest)
    yield (
        f"{len(due)} {noun}{unknown}; by what they took last: {spoken(sum(known))} of one core, "
        f"about {spoken(time)} on {cores} (the longest job takes {spoken(longest)})."
    )


def cause(plan: Plan, due: Due) -> str:
    """Return in words why a job is due."""
    reasons = {
        "Missing output files": "its result is missing",
        "Input files updated by another job": FOLLOWS,
        "Code has changed": "its rule in the workflow has changed",
        "Params have changed": "its rule in the workflow has changed",
        "Software environment": "the environment of its rule has changed",
        "Forced execution": "it was asked for",
    }
    if "Updated input files" in due.reason and "results/plan/" in due.reason:
        return _difference(plan, due)
    for key, words in reasons.items():
        if due.reason.startswith(key):
            return words
    return due.reason


def _difference(plan: Plan, due: Due) -> str:
    """Return what differs between a job's plan and the one that its result was made from.

    That is the newest that is not newer than the result.
    """
    job, result = due.job, Path(due.result)
    if not result.exists():
        return "its result is missing"
    if job not in plan.texts:
        return "its plan is newer than its result"
    current = PLANS / plan.file(job)
    made = result.stat().st_mtime_ns
    others = [
        path
        for path in current.parent.glob(f"{current.name.partition('.')[0]}.*.json")
        if path != current and path.stat().st_mtime_ns <= made
    ]
    if not others:
        return "its plan is newer than its result"
    last = max(others, key=lambda path: path.stat().st_mtime_ns)
    old: dict[str, Any] = json.loads(last.read_text(encoding="utf-8"))
    new: dict[str, Any] = json.loads(plan.texts[job])
    found = []
    changed = list(_changed(old["settings"], new["settings"], ""))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        found.append("settings changed: " + "; ".join(changed[:3]) + more)
    if old["code"] != new["code"]:
        found.append("code that it runs has changed")
    found += [f"version changed: {each}" for each in _changed(old["versions"], new["versions"], "")]
    return ", ".join(found) or "its plan is newer than its result"


def _changed(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({**old, **new}):
            yield from _changed(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{place} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"


def _took(jobs: Sequence[str]) -> str:
    known = [seconds for job in jobs if (seconds := used(job)) is not None]
    return f"; took {spoken(sum(known))} the last time" if known else ""
