"""How a run gets on, as its events come."""

import io
import logging
import re
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_iclbench import LogHandler
from snakemake_logger_plugin_iclbench.view import View


@pytest.fixture
def handler(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = SimpleNamespace(
        printshellcmds=False,
        nocolor=True,
        quiet=None,
        debug_dag=False,
        verbose=False,
        show_failed_logs=True,
        stdout=True,
        dryrun=False,
    )
    made = LogHandler(settings, None)
    made.setFormatter(logging.Formatter("%(message)s"))
    made.view = View(io.StringIO(), colour=False)
    yield made
    made.close()


def send(handler, event=None, message="", level=logging.INFO, **said):
    record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    vars(record).update(said, **({} if event is None else {"event": event}))
    handler.handle(record)


def text(handler):
    return handler.view.console.file.getvalue()


LOG = "results/logs/train/haar/plain.log"


def begin(handler, number=3, log=LOG):
    send(handler, LogEvent.JOB_INFO, jobid=number, rule_name="train_model", log=[log])


def test_a_job_that_is_done_is_one_line(handler):
    send(handler, LogEvent.RUN_INFO, stats={"train_model": 7, "total": 8})
    begin(handler)
    send(handler, LogEvent.SHELLCMD, shellcmd="python -m iclbench train")
    send(handler, message="Select jobs to execute...")
    send(handler, LogEvent.JOB_FINISHED, job_id=3)
    send(handler, LogEvent.PROGRESS, done=1, total=8)
    begin(handler, 4, "results/logs/draw/leaderboard.log")
    send(handler, LogEvent.JOB_FINISHED, job_id=4)
    assert re.sub(r"\d+ s$", "T s", text(handler), flags=re.MULTILINE).splitlines() == [
        "8 jobs to do",
        "[1/8] train haar/plain, T s",
        "[2/8] draw leaderboard, T s",
    ]


def test_a_job_without_a_log_has_the_name_of_its_rule(handler):
    send(handler, LogEvent.JOB_INFO, jobid=3, rule_name="gather", log=[])
    send(handler, LogEvent.JOB_FINISHED, job_id=3)
    assert "[1] gather" in text(handler)


def test_a_failure_is_named_at_once_and_at_the_end(handler, tmp_path):
    (tmp_path / LOG).parent.mkdir(parents=True)
    (tmp_path / LOG).write_text("\n".join(f"line {i}" for i in range(100)) + "\nlower the rate\n")
    begin(handler)
    send(handler, LogEvent.JOB_ERROR, level=logging.ERROR, jobid=3, rule_name="t", log=[LOG])
    at_once = text(handler)
    assert "failed: train haar/plain\n" in at_once
    assert "lower the rate" in at_once
    assert "line 92" not in at_once
    handler.close()
    end = text(handler)[len(at_once) :]
    for part in (
        "1 job failed",
        "train haar/plain",
        "lower the rate",
        f"less {LOG}",
        "same command",
    ):
        assert part in end
    handler.close()
    assert text(handler) == at_once + end


def test_warnings_and_messages_pass(handler):
    send(handler, message="a storm is coming", level=logging.WARNING)
    send(handler, LogEvent.ERROR, message="the settings have a fault", level=logging.ERROR)
    send(handler, message="Nothing to be done")
    assert text(handler).splitlines() == [
        "a storm is coming",
        "the settings have a fault",
        "Nothing to be done",
    ]


def test_a_dry_run_says_what_snakemake_says(handler):
    handler.common_settings.dryrun = True
    send(handler, LogEvent.JOB_INFO, message="rule train_model:", jobid=3, rule_name="t", log=[LOG])
    assert text(handler) == "rule train_model:\n"


def test_brackets_in_messages_are_no_markup(handler):
    send(handler, message="expected [bold]one[/bold] of [1, 2]", level=logging.ERROR)
    assert text(handler) == "expected [bold]one[/bold] of [1, 2]\n"


def test_on_a_terminal_jobs_are_shown_with_their_progress(handler, tmp_path):
    (tmp_path / LOG).parent.mkdir(parents=True)
    (tmp_path / LOG).write_text("0 haar plain: step 368/1000, loss 2.24, 71 steps/s, 9 s left\n")
    view = handler.view
    view.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view.in_place = True
    begin(handler)
    send(handler, LogEvent.PROGRESS, done=30, total=60)
    assert view.live is not None
    shown = Console(file=io.StringIO(), width=100)
    shown.print(view.drawn())
    head, job = shown.file.getvalue().splitlines()
    assert head.startswith("30 of 60 jobs, 50%, about ")
    assert job.startswith("  train haar/plain ")
    assert job.endswith("  step 368/1000, loss 2.24, 71 steps/s, 9 s left")
    send(handler, LogEvent.JOB_FINISHED, job_id=3)
    assert not view.running
    handler.close()
    assert view.live is None


def test_what_reports_the_work_never_stops_it(handler, capsys):
    send(handler, LogEvent.JOB_FINISHED)  # without its number
    assert "KeyError" in capsys.readouterr().err


def test_a_job_that_is_tried_again_has_not_failed(handler):
    begin(handler)
    send(handler, LogEvent.JOB_ERROR, level=logging.ERROR, jobid=3, rule_name="t", log=[LOG])
    begin(handler)
    send(handler, LogEvent.JOB_FINISHED, job_id=3)
    handler.close()
    assert "1 job failed" not in text(handler)


def test_errors_of_no_job_are_said(handler):
    error = {"level": logging.ERROR, "exception": "RuleException"}
    send(handler, LogEvent.ERROR, message="Resources have to be named.", **error)
    assert "Resources have to be named." in text(handler)
    begin(handler)
    send(handler, LogEvent.JOB_ERROR, level=logging.ERROR, jobid=3, rule_name="t", log=[LOG])
    send(handler, LogEvent.ERROR, message="a long command", **error)
    assert "a long command" not in text(handler)


@pytest.mark.parametrize("quiet", [["progress"], ["rules"], ["all"]])
def test_quiet_runs_follow_no_jobs(handler, quiet):
    handler.common_settings.quiet = quiet
    begin(handler)
    assert not handler.view.running
