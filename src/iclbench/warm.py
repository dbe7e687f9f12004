"""Warm start: a run's jobs fork from one process that has loaded torch and its like already.

A job is a process of its own, and most of a small job is its start: Python with Lightning takes
longer to load than a small training takes. Where the workflow runs jobs on its own machine, it
starts a *nursery* (:func:`start`), and ``python -m iclbench`` hands its words, its folder, its
environment and its streams to it (:func:`ask`). The nursery loads what the stage needs, the first
time that it is asked for it, and forks; the fork does the work, and ends as a process of its own
would. Where there is no nursery (a cluster's node, a call by hand), the job is its own process,
with the same result.

The nursery computes nothing itself, so no thread runs in it and no state but modules is handed on.
It ends with the run that started it, and a job ends with the process that asked for it; signals
reach the work.
"""

from __future__ import annotations

import ctypes
import gc
import json
import multiprocessing
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path

ADDRESS = "ICLBENCH_NURSERY"
"""The variable that holds the nursery's address."""

LOADED: dict[str, Sequence[str]] = {
    "prompts": ("iclbench.stages.prompts", "torch", "scipy.stats"),
    "train": ("iclbench.stages.train", "pytorch_lightning", "torch._dynamo", "scipy.stats"),
    "predict": ("iclbench.stages.predict", "torch._dynamo", "scipy.stats"),
    "measure": ("iclbench.stages.measure", "torch._dynamo", "scipy.stats"),
    "examine": ("iclbench.stages.examine", "torch._dynamo", "scipy.stats"),
    "draw": ("iclbench.stages.draw", "seaborn", "matplotlib.backends.backend_pdf"),
    "decide": ("iclbench.stages.decide", "scipy.stats"),
    "report": ("iclbench.stages.report",),
    "explore": ("iclbench.stages.explore", "scipy.stats"),
    "describe": ("iclbench.stages.describe",),
}
"""What the nursery loads for a stage: what every job of the stage would load itself.

``torch.func`` loads ``torch._dynamo`` at its first call.
"""

# Read when a library is loaded, and so once for all that is forked: one thread; no thread of the
# memory pool's own; the number of GPUs asked without starting the driver, which no fork survives.
_THREADS = "OMP_NUM_THREADS"
_ENVIRONMENT = {
    _THREADS: "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def start(sources: Path) -> None:
    """Start a nursery that ends with this process, and put its address into the environment.

    Does nothing where processes that have loaded numerical libraries cannot be forked safely (all
    but Linux), or where no address can be made; jobs are then their own processes.

    Args:
        sources: The folder that the package is loaded from.
    """
    if sys.platform != "linux":
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix="iclbench-"))  # open to its owner alone
    except OSError:
        return
    address = folder / "nursery"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen(128)
            nursery = subprocess.Popen(
                [sys.executable, "-m", "iclbench.warm", str(address), str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                env=os.environ | _ENVIRONMENT | {"PYTHONPATH": str(sources)},
            )
    except OSError:  # the folder's path is too long for an address, or nothing can be started
        shutil.rmtree(folder, ignore_errors=True)
        return
    _STARTED.append(nursery)
    os.environ[ADDRESS] = str(address)


_STARTED: list[subprocess.Popen[bytes]] = []
"""Held for their standard input: where it closes, a nursery ends."""


def ask(arguments: Sequence[str]) -> int | None:
    """Have a nursery run the command line, and return its exit status.

    Returns:
        The exit status; None where there is no nursery for this process, which then does the work
        itself: none was started on this machine, or this process may use more than one thread.
    """
    if ADDRESS not in os.environ or not arguments or os.environ.get(_THREADS) != "1":
        return None
    with socket.socket(socket.AF_UNIX) as nursery:
        try:
            nursery.connect(os.environ[ADDRESS])
        except OSError:
            return None
        job = {
            "arguments": list(arguments),
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
        }
        try:
            with tempfile.TemporaryFile() as file:
                file.write(json.dumps(job).encode())
                file.flush()
                socket.send_fds(nursery, [arguments[0].encode()], [0, 1, 2, file.fileno()])
            status = _await(nursery)
        except ConnectionError:  # it ended with something unread: the job, or a signal's number
            status = b""
    if not status:
        sys.stderr.write("the process that forks this run's jobs has ended; run again\n")
        return 1
    return int(status)


def _await(nursery: socket.socket) -> bytes:
    """Wait for the status, none where the nursery ends; send it each signal's number meanwhile."""
    nursery.setblocking(False)
    try:
        # The interpreter's own handler writes the number. One of ours would run only after the
        # wait if the signal came just before it.
        signal.set_wakeup_fd(nursery.fileno())
        for number in _FORWARDED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        select.select([nursery], [], [])
        return nursery.recv(8)
    finally:
        signal.set_wakeup_fd(-1)


def _serve(listener: socket.socket) -> None:
    """Fork whoever asks, until standard input closes; then end all work."""
    fork = multiprocessing.get_context("fork")
    at_work: dict[socket.socket, BaseProcess] = {}
    with selectors.DefaultSelector() as events:
        events.register(sys.stdin, selectors.EVENT_READ)
        events.register(listener, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in events.select():
                    match key.fileobj:
                        # What came before in the same turn may have ended what comes here.
                        case gone if gone not in events.get_map():
                            continue
                        case socket.socket() as asking if asking is listener:
                            events.register(listener.accept()[0], selectors.EVENT_READ)
                        case socket.socket() as asking if asking in at_work:
                            _pass_on(asking, at_work[asking])
                        case socket.socket() as asking:
                            stage, files, _, _ = socket.recv_fds(asking, 64, 4)
                            if not stage:
                                events.unregister(asking)
                                asking.close()
                                continue
                            _load(stage.decode())
                            work = fork.Process(target=_work, args=(files, events))
                            work.start()
                            for file in files:
                                os.close(file)
                            at_work[asking] = work
                            events.register(work.sentinel, selectors.EVENT_READ, asking)
                        case int() as sentinel:
                            asking = key.data
                            events.unregister(sentinel)
                            events.unregister(asking)
                            _end(asking, at_work.pop(asking))
                        case _:
                            return
        finally:
            for work in at_work.values():
                work.kill()


def _load(stage: str) -> None:
    for module in LOADED.get(stage, ()):
        # What cannot be loaded says so in the job itself.
        with suppress(Exception):
            import_module(module)
    gc.freeze()  # no collection of what is shared, which would copy it into every fork


def _pass_on(asking: socket.socket, work: BaseProcess) -> None:
    """Pass a signal on to the work; end it if who asked for it has ended."""
    try:
        signals = asking.recv(8)
    except ConnectionError:
        signals = b""
    if not signals:
        work.kill()
    for number in signals:
        if work.exitcode is None and work.pid is not None:
            os.kill(work.pid, number)


def _end(asking: socket.socket, work: BaseProcess) -> None:
    """Tell who asked how the work has ended; as in a shell, 128 more than a signal's number."""
    work.join()
    status = work.exitcode or 0
    with suppress(OSError), asking:
        asking.sendall(str(status if status >= 0 else 128 - status).encode())
    work.close()


def _work(files: Sequence[int], events: selectors.BaseSelector) -> None:
    """Be the process that asked: its streams, words, folder and environment."""
    _end_with_parent()
    for key in list(events.get_map().values()):
        if isinstance(key.fileobj, socket.socket):
            key.fileobj.close()
    events.close()
    with os.fdopen(files[-1], "rb") as file:
        file.seek(0)
        job = json.load(file)
    for number, stream in enumerate(files[:-1]):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    # Held back in the nursery, so that none is lost between the fork and here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

    from iclbench.__main__ import main

    sys.argv[1:] = job["arguments"]
    sys.exit(main(job["arguments"]))


def _end_with_parent() -> None:
    """Have the kernel kill this process where the nursery ends, however it ends."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    nursery = multiprocessing.parent_process()
    if nursery is None or os.getppid() != nursery.pid:  # it had ended before the kernel was told
        os._exit(1)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    address = Path(sys.argv[1])
    try:
        with socket.socket(fileno=int(sys.argv[2])) as listening:
            _serve(listening)
    finally:
        address.unlink()
        address.parent.rmdir()
