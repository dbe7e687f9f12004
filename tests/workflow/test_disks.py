"""Full disks and folders that may not be written or read: the file is named, and what to do."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iclbench.files import UnreadableError, UnwritableError, load_arrays, save_arrays, written_aside
from iclbench.records import RecordError, read

BIG = np.random.default_rng(0).random(40_000)  # 320 kB that do not compress


@contextmanager
def mounted(folder, *options):
    """Mount something over a folder, or skip where this process may not."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, folder], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def tmpfs(folder, size):
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "none")


@contextmanager
def read_only(folder):
    """Let nobody write below a folder: root heeds a file system, all others the mode."""
    if os.geteuid() == 0:
        with mounted(folder, "--bind", folder):
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
            yield
    else:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)


def bytes_to(path):
    with written_aside(path) as aside:
        aside.write_bytes(BIG.tobytes())


def table_to(path):
    with written_aside(path) as aside:
        pq.write_table(pa.table({"value": BIG}), aside)


def arrays_to(path):
    save_arrays({"values": BIG}, path, "numbers")


@pytest.mark.parametrize("write", [bytes_to, table_to, arrays_to])
def test_a_full_disk_is_named_and_its_file_is_the_old_one(tmp_path, write):
    with tmpfs(tmp_path / "small", "128k") as folder:
        path = folder / "old"
        path.write_text("old")
        with pytest.raises(UnwritableError) as caught:
            write(path)
        assert str(caught.value) == (
            f"{path}: cannot be written (No space left on device); make space there and run again"
        )
        assert path.read_text() == "old"
        assert list(folder.iterdir()) == [path]
        subprocess.run(["mount", "-o", "remount,size=1m", folder], check=True)
        write(path)
        assert path.stat().st_size > 300_000


@pytest.mark.parametrize("write", [bytes_to, table_to, arrays_to])
def test_a_folder_that_may_not_be_written_is_named(tmp_path, write):
    for path in (tmp_path / "made", tmp_path / "new/folder/made"):
        with read_only(tmp_path), pytest.raises(UnwritableError) as caught:
            write(path)
        assert str(caught.value).startswith(f"{path}: cannot be written (")
        assert str(caught.value).endswith(" and run again")
    assert not any(tmp_path.iterdir())


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path):
    path = tmp_path / "a.parquet"
    path.mkdir()  # what no user may read as a file, root included
    words = r"a\.parquet: cannot be read \(Is a directory\); .* and run again"
    with pytest.raises(UnreadableError, match=words):
        load_arrays(path)
    with pytest.raises(RecordError, match=words):
        read([path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_another_user_is_not_called_damaged(tmp_path):
    path = tmp_path / "a"
    arrays_to(path)
    path.chmod(0o000)
    with pytest.raises(UnreadableError, match="give yourself the right to it and run again"):
        load_arrays(path)


@pytest.mark.dag
@pytest.mark.slow
def test_a_run_on_a_full_disk_names_its_file_and_goes_on_once_there_is_space(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    models = tree.path / "results/models/haar"
    shutil.rmtree(models)
    target = ("results/models/haar/plain.safetensors", "--cores", "1")
    with tmpfs(models, "16k"):
        (models / "else").write_bytes(b"x" * 16_000)
        process = tree.start(*target)
        output, _ = process.communicate()
        assert process.returncode != 0, output
        assert (
            f"{target[0]}: cannot be written (No space left on device); make space there and run "
            "again" in output
        )
        assert "Traceback" not in output
        (models / "else").unlink()
        subprocess.run(["mount", "-o", "remount,size=10m", models], check=True)
        tree.snakemake(*target)
        whole = (finished.path / target[0]).read_bytes()
        assert (tree.path / target[0]).read_bytes() == whole


@pytest.mark.dag
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["results/prompts", "results"])
def test_a_run_that_may_not_write_its_results_says_so(finished, tmp_path, folder):
    tree = finished.copy(tmp_path / "tree")
    target = "results/prompts/haar.safetensors"
    words = (target, "--cores", "1")
    if folder == "results":
        words += ("--config", "seed=1")  # new plans, the first that is written
    else:
        (tree.path / target).unlink()
    with read_only(tree.path / folder):
        process = tree.start(*words)
        output, _ = process.communicate()
    assert process.returncode != 0, output
    if folder == "results":
        assert "results/plan" in output
        assert ": cannot be written (" in output
        assert " and run again" in output
    else:
        assert target in output  # Snakemake itself, as it makes room for the output
    tree.snakemake(target, "--cores", "1")
    assert (tree.path / target).read_bytes() == (finished.path / target).read_bytes()
