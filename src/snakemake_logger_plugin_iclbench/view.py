"""The view of a run: what is done, what runs and how far it is, what has failed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from iclbench.usage import spoken

TAIL = 2**12
"""How many bytes of a log's end are looked at."""

LINES = 8
"""How many of a failed job's last lines are shown."""


@dataclass
class Job:
    """A job that runs or has failed."""

    name: str
    log: Path | None
    began: float = field(default_factory=time.monotonic)

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines of its log that are not empty."""
        if self.log is None:
            return []
        try:
            with self.log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - TAIL))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]

    def last_progress(self) -> str:
        """Return what it last said of how far it is: what follows its name in its log."""
        lines = self.last_lines(1)
        return lines[0].partition(": ")[2] if lines and ": step " in lines[0] else ""


class View:
    """Shows a run on a stream: redrawn in place on a terminal, or else one line a job."""

    def __init__(self, stream: TextIO, *, colour: bool = True) -> None:
        self.console = Console(file=stream, highlight=False, no_color=not colour, soft_wrap=True)
        self.in_place = stream.isatty() and not self.console.is_dumb_terminal
        self.running: dict[int, Job] = {}
        self.failed: dict[int, Job] = {}
        self.done = 0
        self.total: int | None = None
        self.began = time.monotonic()
        self.live: Live | None = None

    def say(self, text: str) -> None:
        """Write a text that stays."""
        self.console.print(Text(text))

    def plan(self, total: int | None) -> None:
        """Set how many jobs there are to do, and say so."""
        self.total = total
        if total is not None:
            self.say(f"{total} job{'s' * (total != 1)} to do")

    def begin(self, number: int, name: str, log: Path | None) -> None:
        """A job begins."""
        self.running[number] = Job(name, log)
        self.failed.pop(number, None)  # it is tried again
        if self.live is None and self.in_place:
            self.live = Live(
                get_renderable=self.drawn,
                console=self.console,
                refresh_per_second=2,
                transient=True,
                # What goes to a file does not pass the terminal.
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
            self.live.start()

    def finish(self, number: int) -> None:
        """A job is done; on a terminal it leaves the view, elsewhere it is a line."""
        job = self.running.pop(number, None)
        self.done += 1
        if job is not None and self.live is None:
            of = f"/{self.total}" if self.total else ""
            self.say(f"[{self.done}{of}] {job.name}, {spoken(time.monotonic() - job.began)}")

    def fail(self, number: int, name: str, log: Path | None) -> None:
        """A job has failed."""
        job = self.running.pop(number, None) or Job(name, log)
        self.failed[number] = job
        self.console.print(Text(f"failed: {job.name}", style="bold red"))
        for line in job.last_lines(LINES):
            self.say(f"    {line}")

    def count(self, done: int, total: int) -> None:
        """Set how many jobs are done, of how many."""
        self.done, self.total = done, total

    def close(self) -> None:
        """End the view; say which jobs have failed, why, and what to do."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        if self.failed:
            for text in self.summary():
                self.console.print(text)
        self.failed = {}

    def summary(self) -> Iterator[Text]:
        """Yield lines on the jobs that have failed."""
        count = len(self.failed)
        yield Text(f"\n{count} job{'s' * (count != 1)} failed:", style="bold red")
        for job in self.failed.values():
            yield Text(f"  {job.name}")
            for line in job.last_lines(2):
                yield Text(f"      {line}", style="dim")
            if job.log is not None:
                yield Text(f"      all that it said: less {job.log}")
        yield Text("What is done stays done: mend what is wrong, and give the same command again.")

    def drawn(self) -> Group:
        """Return the view as it stands."""
        return Group(*self._lines())

    def _lines(self) -> Iterator[Text]:
        passed = time.monotonic() - self.began
        head = f"{self.done} jobs done"
        if self.total:
            head = f"{self.done} of {self.total} jobs, {self.done / self.total:.0%}"
            if self.done > 0.05 * self.total:
                left = passed / self.done * (self.total - self.done)
                head += f", about {spoken(left)} left"
        if self.failed:
            head += f", {len(self.failed)} failed"
        yield Text(f"{head} ({spoken(passed)} so far)", style="bold", no_wrap=True)
        running = list(self.running.values())  # jobs begin and end while this is drawn
        width = max((len(job.name) for job in running), default=0)
        for job in running:
            now = spoken(time.monotonic() - job.began)
            line = f"  {job.name:<{width}}  {now:>7}  {job.last_progress()}"
            yield Text(line.rstrip(), no_wrap=True, overflow="ellipsis")
