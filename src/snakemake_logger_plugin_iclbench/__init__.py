"""How a run gets on: one view on a terminal, lines in a log (``snakemake --logger iclbench``).

A logger plugin of Snakemake. What Snakemake says of single jobs comes as one line a job that is
done; a job that fails is named at once, and again at the end with the last lines of its log. Dry
runs and all other commands say what they say without it.
"""

from __future__ import annotations

import sys
from logging import WARNING, LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from typing_extensions import override

from snakemake_logger_plugin_iclbench.view import View

LOGS = Path("results", "logs")

NOISE = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Conda environments: ignored",
    "Group jobs: inactive",
    "Provided ",
    "Rules claiming more threads",
    "Select jobs to execute",
    "Using shell",
    "Using workflow specific profile",
)
"""How messages begin that say nothing of how the run gets on."""

HIDDEN = {
    LogEvent.JOB_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.SHELLCMD,
    LogEvent.WORKFLOW_STARTED,
}
"""Events that the view itself shows, or that stand in Snakemake's own log alone."""


class LogHandler(LogHandlerBase):
    """Shows the events of a run as they come."""

    @property
    @override
    def writes_to_stream(self) -> bool:
        return True

    @property
    @override
    def writes_to_file(self) -> bool:
        return False

    @property
    @override
    def has_filter(self) -> bool:
        return False

    @property
    @override
    def has_formatter(self) -> bool:
        return False

    @property
    @override
    def needs_rulegraph(self) -> bool:
        return False

    @override
    def __post_init__(self) -> None:
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.view = View(stream, colour=not self.common_settings.nocolor)

    @override
    def emit(self, record: LogRecord) -> None:
        try:
            self._show(record)
        except Exception:  # as all of logging does: what reports the work never stops it
            self.handleError(record)

    @override
    def close(self) -> None:
        self.view.close()
        super().close()

    @property
    def _is_quiet(self) -> bool:
        """Whether Snakemake is not to say when jobs begin or end."""
        quiet = {str(getattr(word, "value", word)) for word in self.common_settings.quiet or ()}
        return not quiet.isdisjoint({"all", "progress", "rules"})

    def _show(self, record: LogRecord) -> None:
        said = vars(record)
        event = said.get("event")
        if self.common_settings.dryrun:
            self.view.say(self.format(record))
        elif event == LogEvent.JOB_INFO and self._is_quiet:
            return
        elif event == LogEvent.JOB_INFO:
            log = _log(said)
            self.view.begin(said["jobid"], _name(said, log), log)
        elif event == LogEvent.JOB_FINISHED:
            self.view.finish(said["job_id"])
        elif event == LogEvent.JOB_ERROR:
            log = _log(said)
            self.view.fail(said["jobid"], _name(said, log), log)
            if said.get("rule_msg"):
                self.view.say(f"    {said['rule_msg']}")
        elif event == LogEvent.PROGRESS:
            self.view.count(said["done"], said["total"])
        elif event == LogEvent.RUN_INFO:
            self.view.plan(_total(said.get("stats")))
        elif event in HIDDEN or (said.get("exception") == "RuleException" and self.view.failed):
            return  # of a job that failed all is said
        elif record.levelno >= WARNING or not record.getMessage().startswith(NOISE):
            text = self.format(record)
            if text.strip() not in ("", "None"):
                self.view.say(text)


def _log(said: dict[str, object]) -> Path | None:
    logs = said.get("log")
    return Path(str(logs[0])) if isinstance(logs, list | tuple) and logs else None


def _name(said: dict[str, object], log: Path | None) -> str:
    """Return a job's stage and name, which its log is called by, or its rule."""
    if log is not None and log.is_relative_to(LOGS):
        stage, _, name = log.relative_to(LOGS).with_suffix("").as_posix().partition("/")
        return f"{stage} {name}".strip()
    return str(said.get("rule_name", "job"))


def _total(stats: object) -> int | None:
    """Return the number of jobs of a run, the targets that only gather others included."""
    total = stats.get("total") if isinstance(stats, dict) else None
    return total if isinstance(total, int) else None
