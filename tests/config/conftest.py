import pytest
from small_settings import MODEL, SCALE, SOLVER, STUDY, TASK


@pytest.fixture
def folder(tmp_path):
    """A folder of settings without a fault."""
    for name, text in {
        "tasks/orbit": TASK,
        "solvers/zero": SOLVER,
        "models/tiny": MODEL,
        "studies/main": STUDY,
        "scales/small": SCALE,
    }.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir()
        path.write_text(text)
    return tmp_path
