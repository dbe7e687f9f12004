"""What all tests share: one thread a library, and a tree in which the whole workflow has run."""

import os

import pytest
from filelock import FileLock

from tests.workflow.trees import Tree, fresh_tree

# Tests run side by side, one a core: libraries of linear algebra get one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Some virtual machines announce instructions for bfloat16 that they do not have.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A tree in which the whole workflow has run at smoke scale; not to be changed."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "finished.lock"):
        if (shared / "finished").exists():
            return Tree(shared / "finished")
        tree = fresh_tree(shared / "unfinished")
        tree.snakemake("--cores", "2")
        return Tree(tree.path.rename(shared / "finished"))
