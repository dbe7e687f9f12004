"""A tree in which the whole workflow has run."""

import os

import pytest
from filelock import FileLock

from trees import Tree, fresh_tree


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
