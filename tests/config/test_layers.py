"""Settings laid over one another."""

from iclbench.config.layers import Layers

BASE = ("base.yaml", (), {"m": {"kind": "one", "b": 1, "c": {"d": 2}}, "e": 3})


def test_the_last_layer_that_says_something_counts():
    layers = Layers((BASE, ("scale.yaml", ("models", "x"), {"m": {"b": 4}})))
    assert layers.merged() == {"m": {"kind": "one", "b": 4, "c": {"d": 2}}, "e": 3}
    assert layers.saying(("m", "b")) == ("scale.yaml", ("models", "x"))
    assert layers.saying(("m", "c", "d")) == ("base.yaml", ())
    assert layers.saying(("m", "z")) is None


def test_what_is_said_of_a_kind_that_was_replaced_does_not_count():
    layers = Layers((BASE, ("scale.yaml", (), {"m": {"kind": "other", "f": 5}})))
    assert layers.merged() == {"m": {"kind": "other", "f": 5}, "e": 3}
    assert layers.saying(("m", "b")) is None
    assert layers.saying(("m", "f")) == ("scale.yaml", ())
    assert layers.saying(("e",)) == ("base.yaml", ())
