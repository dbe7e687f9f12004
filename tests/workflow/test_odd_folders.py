"""A clone may stand in a folder of any name, and a folder holds one run at a time."""

import signal
import time

import pytest

from trees import fresh_tree

pytestmark = pytest.mark.dag

PROMPTS = "results/prompts/haar.safetensors"


def test_a_clone_in_a_folder_named_for_a_shell_runs(finished, tmp_path):
    tree = fresh_tree(tmp_path / """a "clone"; $(touch made) `touch made` 'of' & *""")
    tree.snakemake(PROMPTS, "--cores", "1")
    assert (tree.path / PROMPTS).read_bytes() == (finished.path / PROMPTS).read_bytes()
    assert not list(tmp_path.rglob("made"))


@pytest.mark.slow
def test_the_second_of_two_runs_in_a_folder_says_so_and_harms_nothing(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    model = tree.path / "results/models/haar/plain.safetensors"
    whole = model.read_bytes()
    model.unlink()
    target = (str(model.relative_to(tree.path)), "--cores", "1")
    first = tree.start(*target)
    locks = tree.path / ".snakemake/locks"
    # The lock of outputs is the last to be written.
    while first.poll() is None and not any(
        path.stat().st_size for path in locks.glob("*.output.lock")
    ):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # lest it end before the second comes to the lock
    try:
        second = tree.start(*target, "--config", "seed=1")
        said, _ = second.communicate()
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode != 0, said
    assert "Directory cannot be locked" in said
    assert "--unlock" in said
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert model.read_bytes() == whole
    assert not any(locks.glob("*"))
    assert tree.due() == set()
