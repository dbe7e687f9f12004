"""A forked job is what a process of its own would be: words, streams, folder, signals, end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iclbench import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forked on Linux alone")

SOURCES = Path(warm.__file__).parents[1]
# Snakemake's part: it starts a nursery, says where, and stands by.
RUN = """
import os, sys, pathlib
from iclbench import warm
warm.start(pathlib.Path(sys.argv[1]))
print(os.environ[warm.ADDRESS], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run():
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(SOURCES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        process.address = process.stdout.readline().strip()
        yield process
        process.kill()


@pytest.fixture
def asking(run, tmp_path):
    def ask(*arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "iclbench", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env=os.environ
            | {"PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1", warm.ADDRESS: run.address}
            | environment,
        )

    return ask


@pytest.fixture
def begun(tmp_path):
    """Wait until the job whose plan is a pipe has begun to read it, which never ends.

    Before, a child of the nursery may be a program that a library runs while it is loaded.
    """
    path = tmp_path / "endless.json"
    os.mkfifo(path)
    opened = []

    def wait():
        opened.append(until(lambda: writer(path)))

    yield wait
    for number in opened:
        os.close(number)


def writer(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads
        return None


def children(pid):
    folder = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in folder.read_text().split()] if folder.exists() else []


def nursery_of(run):
    (nursery,) = children(run.pid)
    return nursery


def until(condition):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    pytest.fail("waited in vain")
    return None


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def asleep(pid):
    return "State:\tS" in Path(f"/proc/{pid}/status").read_text()


def signals(pid, mask):
    """The signals in a mask of a process, as proc(5) names it."""
    status = Path(f"/proc/{pid}/status").read_text()
    bits = int(status.partition(f"{mask}:")[2].split()[0], 16)
    return {number for number in signal.valid_signals() if bits >> (number - 1) & 1}


DRAW = ("draw", "endless.json", "--figure", "figure.pdf", "--rows", "rows.parquet")


def test_words_folder_streams_and_status_are_those_of_a_process_of_its_own(asking, tmp_path):
    (tmp_path / "here.json").write_text("{}")
    words = ("draw", "here.json", "--figure", "figure.pdf", "--rows", "rows.parquet")
    forked = asking(*words)
    own = asking(*words, **{warm.ADDRESS: ""})
    assert forked.communicate(timeout=60) == own.communicate(timeout=60)
    assert forked.returncode == own.returncode == 1
    usage = asking("draw", "--no-such-option")
    assert "usage: " in usage.communicate(timeout=60)[1]
    assert usage.returncode == 2


def test_results_are_those_of_a_process_of_its_own(asking, tmp_path):
    content = {"settings": {"study": "s", "claims": [], "tables": [], "scale": "smoke", "root": 0}}
    content["settings"]["paper"] = "a paper"
    (tmp_path / "plan.json").write_text(json.dumps(content | {"code": "c"}))
    for name, address in (("forked", {}), ("own", {warm.ADDRESS: ""})):
        process = asking(
            *("decide", "plan.json", "--verdicts", f"{name}.parquet", "--usage", f"{name}.tsv"),
            **address,
        )
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
        header, numbers = (tmp_path / f"{name}.tsv").read_text().splitlines()
        assert header.split("\t") == ["s", "cpu_time", "max_rss"]
        assert all(float(number) > 0 for number in numbers.split("\t"))
    forked, own = (tmp_path / f"{name}.parquet" for name in ("forked", "own"))
    assert forked.read_bytes() == own.read_bytes()


def test_a_job_ends_with_who_asked_for_it(asking, run, begun):
    process = asking(*DRAW)
    begun()
    nursery = nursery_of(run)
    (work,) = children(nursery)
    process.kill()
    process.communicate()
    until(lambda: not alive(work))
    assert alive(nursery)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_work(asking, run, begun, number):
    process = asking(*DRAW)
    begun()
    (work,) = children(nursery_of(run))
    # Just before a read that never ends, a signal would be noted, and handled only after the read.
    until(lambda: asleep(work))
    until(lambda: is_handled(process.pid, number))
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert not alive(work)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in messages
    else:
        assert process.returncode == 128 + number


def test_a_killed_work_is_told(asking, run, begun):
    process = asking(*DRAW)
    begun()
    (work,) = children(nursery_of(run))
    os.kill(work, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_signal_is_not_lost_while_libraries_load(asking, begun):
    process = asking(*DRAW)
    # At once, while what the job is forked from still loads.
    until(lambda: is_handled(process.pid, signal.SIGINT))
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in messages


def is_handled(pid, number):
    """Whether a process has set a handler of its own, as it does once it has asked."""
    return {number, signal.SIGTERM} <= signals(pid, "SigCgt")


def test_jobs_end_with_a_nursery_that_is_killed(asking, run, begun):
    process = asking(*DRAW)
    begun()
    nursery = nursery_of(run)
    (work,) = children(nursery)
    os.kill(nursery, signal.SIGKILL)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run again" in messages
    until(lambda: not alive(work))


def test_a_nursery_that_ends_before_it_reads_a_signal_is_told(asking, run, begun):
    process = asking(*DRAW)
    begun()
    until(lambda: is_handled(process.pid, signal.SIGTERM))
    nursery = nursery_of(run)
    os.kill(nursery, signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGTERM)
        until(lambda: not signals(process.pid, "ShdPnd") and asleep(process.pid))
    finally:
        os.kill(nursery, signal.SIGKILL)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert messages == "the process that forks this run's jobs has ended; run again\n"


def test_many_jobs_at_once_end_each_as_its_own(asking, tmp_path):
    """Ends and messages come together in every order."""
    (tmp_path / "here.json").write_text("{}")
    words = ("draw", "here.json", "--figure", "figure.pdf", "--rows", "rows.parquet")
    processes = [asking(*words) for _ in range(12)]
    for process in processes[::2]:
        process.kill()
    ends = [process.communicate(timeout=60) and process.returncode for process in processes]
    assert set(ends[::2]) <= {-signal.SIGKILL, 1}
    assert set(ends[1::2]) == {1}
    last = asking(*words)
    last.communicate(timeout=60)
    assert last.returncode == 1


def test_no_place_for_an_address_is_no_obstacle(monkeypatch, tmp_path):
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    far = tmp_path / ("deep" * 40)
    far.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(far))
    warm.start(SOURCES)
    assert warm.ADDRESS not in os.environ
    assert not list(far.iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(far / "missing"))
    warm.start(SOURCES)
    assert warm.ADDRESS not in os.environ


def test_all_ends_with_the_run(asking, run, begun):
    process = asking(*DRAW)
    begun()
    nursery = nursery_of(run)
    (work,) = children(nursery)
    run.kill()
    run.wait()
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run again" in messages
    until(lambda: not alive(nursery) and not alive(work))
    assert not Path(run.address).parent.exists()


def test_without_a_nursery_the_job_is_its_own_process(monkeypatch, tmp_path):
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    assert warm.ask(["draw"]) is None
    monkeypatch.setenv(warm.ADDRESS, str(tmp_path / "gone"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert warm.ask(["draw"]) is None


def test_a_job_of_more_threads_is_its_own_process(asking, run, begun):
    process = asking(*DRAW, OMP_NUM_THREADS="2")
    begun()
    assert not children(nursery_of(run))
    process.kill()
    process.communicate()


def test_the_nursery_runs_no_thread(asking, run):
    for stage in warm.LOADED:
        asking(stage, "--help").communicate(timeout=60)
    assert len(list(Path(f"/proc/{nursery_of(run)}/task").iterdir())) == 1
