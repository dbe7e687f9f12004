import pytest
import torch

from iclbench.files import DamagedFileError, load_arrays, save_arrays
from iclbench.training.checkpoints import decoded, encoded
from iclbench.training.trained import Trained, load, save

TREE = {
    "numbers": [1, 2.5, True, None, float("inf")],
    "state": {0: {"step": torch.tensor(3.0), "rows": torch.arange(6).view(2, 3)}},
    "betas": (0.9, 0.999),
    "empty": {"list": [], "tensor": torch.zeros(0)},
}


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other
        assert type(one) is type(other)


def write(path):
    arrays, tree = encoded(TREE)
    save_arrays(arrays, path, tree)


def test_containers_come_back_from_a_file(tmp_path):
    write(tmp_path / "a")
    assert_same(TREE, decoded(*load_arrays(tmp_path / "a")))


def test_what_is_not_data_is_refused():
    with pytest.raises(TypeError, match="set"):
        encoded({"key": {1, 2}})


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_every_cut_and_every_altered_byte_is_noticed(tmp_path):
    path = tmp_path / "a"
    write(path)
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        altered = bytearray(good)
        altered[place] ^= 1
        for bad in (bytes(altered), good[:place]):
            path.write_bytes(bad)
            try:
                content = decoded(*load_arrays(path))
            except DamagedFileError:
                continue
            assert_same(TREE, content)  # spaces in the header mean nothing


def test_an_ensemble_comes_back_from_a_file(tmp_path):
    trained = Trained(
        state={"blocks.0.weight": torch.randn(2, 3), "losses": torch.randn(2, 1)},
        seeds=(3, 8),
        length=5,
        steps=(50, 100),
        losses=torch.rand(2, 2),
        diverged={8: 70},
    )
    save(trained, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert_same(vars(trained), vars(loaded))
