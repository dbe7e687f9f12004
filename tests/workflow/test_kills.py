"""Twenty signals at random moments of a run, which then comes to the bytes of an undisturbed one.

The signals hit one run in one tree after another: kill, go on, kill, go on. Where the run comes to
its end before all twenty are through, what it made is removed, and it begins again.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from trees import fresh_tree

pytestmark = [pytest.mark.dag, pytest.mark.slow, pytest.mark.timeout(1800)]

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
AIMS = ("snakemake", "job", "both")
RUN = ("--cores", "2", "--config", "checkpoint_every=5 steps")
# Of what a run leaves, these say when and how long, where it stood, or what it was to do.
TRANSIENT = {"benchmarks", "checkpoints", "logs", "plan", "samples"}


def made(tree):
    """Return the bytes of every result."""
    results = tree.path / "results"
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file()
        and path.relative_to(results).parts[0] not in TRANSIENT
        and not path.name.startswith(".")  # a killed job's half file, which nothing reads
    }


def working(tree):
    """Return the command of every process that works in the tree, by its number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").resolve() == tree.path.resolve():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
    return {number: command for number, command in found.items() if command}  # no zombies


def jobs(tree, snakemake):
    """Return the processes of jobs: those that ask for work, and those forked to do it.

    The process that they are forked from is Snakemake's child, and none of them.
    """
    words = ("-m\0iclbench\0", "-m\0iclbench.warm\0")
    found = []
    for number, command in working(tree).items():
        with suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            is_job = any(word in command for word in words)
            if is_job and f"PPid:\t{snakemake}\n" not in status:
                found.append(number)
    return found


def send(number, process):
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def wait_until_nobody_works(tree):
    waited = time.monotonic()
    while left := working(tree):
        assert time.monotonic() - waited < 60, f"orphans: {left}"
        time.sleep(0.05)


class Run:
    """A run that is begun again whenever it has ended."""

    def __init__(self, tree):
        self.tree = tree
        self.said = Counter()
        self.process = None
        self.begin()

    def begin(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *RUN],
            cwd=self.tree.path,
            env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CI")},
            stdout=subprocess.DEVNULL,  # a pipe that nobody reads would fill, and stop the run
            stderr=subprocess.DEVNULL,
        )

    def end(self):
        """Wait until the run has ended; unlock the folder if it was told to; go on."""
        self.process.wait()
        wait_until_nobody_works(self.tree)
        if self.process.returncode == 0:
            self.said["ran to its end"] += 1
            for folder in ("metrics", "prompts", "models", "figures", "claims"):
                shutil.rmtree(self.tree.path / "results" / folder)
        self.unlock()
        self.begin()

    def unlock(self):
        """Unlock the folder if a run says that it is locked, and how to unlock it."""
        if not any((self.tree.path / ".snakemake/locks").glob("*")):
            return
        refused = self.tree.start(*RUN)
        output, _ = refused.communicate()
        assert refused.returncode != 0
        assert "cannot be locked" in output
        assert "--unlock" in output
        self.tree.snakemake("--unlock")
        self.said[f"unlocked after {self.process.returncode}"] += 1

    def disturb(self, number, aim, choice):
        """Send a signal to Snakemake, to a job, or both; return whether it hit."""
        hit = False
        if aim in ("job", "both"):
            waited = time.monotonic()
            while not (some := jobs(self.tree, self.process.pid)):
                if self.process.poll() is not None or time.monotonic() - waited > 30:
                    return False
                time.sleep(0.01)
            hit = send(number, choice.choice(some))
        if aim in ("snakemake", "both") and self.process.poll() is None:
            hit = send(number, self.process.pid)
            self.end()
        return hit


def test_twenty_signals_change_no_byte(finished, tmp_path, record_property):
    tree = fresh_tree(tmp_path / "tree")
    choice = random.Random(20)
    plan = [(SIGNALS[k % 3], AIMS[k // 3 % 3]) for k in range(20)]
    choice.shuffle(plan)
    run = Run(tree)
    hits = Counter()
    while plan:
        time.sleep(choice.uniform(0.5, 12))
        if run.process.poll() is not None:
            run.end()
            continue
        number, aim = plan.pop()
        if run.disturb(number, aim, choice):
            hits[f"{number.name} to {aim}"] += 1
        else:
            plan.insert(0, (number, aim))
    run.process.wait()
    if run.process.returncode != 0:  # a job was hit
        wait_until_nobody_works(tree)
        run.unlock()
        tree.snakemake(*RUN)
    wait_until_nobody_works(tree)
    record_property("signals", dict(sorted(hits.items())))
    record_property("said", dict(run.said))
    assert not any((tree.path / ".snakemake/locks").glob("*"))
    # The page of settings shows how often checkpoints are written.
    undisturbed = finished.copy(tmp_path / "undisturbed")
    undisturbed.snakemake(*RUN)
    one, other = made(tree), made(undisturbed)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert tree.due(*RUN) == set()
