import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.models.layouts import augmented, interleaved, paired, plain

sizes = st.tuples(*[st.integers(1, 4)] * 4)


def prompt(batch, time, p, q):
    return torch.randn(batch, time, p), torch.randn(batch, time, q)


@settings(deadline=None, max_examples=20)
@given(sizes, st.integers(1, 3))
def test_plain_tokens_repeat_the_input(size, repeat):
    x, _ = prompt(*size)
    tokens = plain(x, repeat)
    assert torch.equal(tokens.unflatten(-1, (repeat, -1)), x[:, :, None].expand(-1, -1, repeat, -1))


@settings(deadline=None, max_examples=20)
@given(sizes)
def test_augmented_tokens_hold_this_state_and_the_one_before(size):
    x, _ = prompt(*size)
    empty, now, before = augmented(x).chunk(3, -1)
    assert torch.equal(now, x)
    assert torch.equal(before[:, 1:], x[:, :-1])
    assert not empty.any()
    assert not before[:, 0].any()


@settings(deadline=None, max_examples=20)
@given(sizes)
def test_paired_query_tokens_lack_the_label_only(size):
    x, y = prompt(*size)
    context, query = paired(x, y)
    p = x.shape[-1]
    assert torch.equal(context, torch.cat([x, y], -1))
    assert torch.equal(query[..., :p], x)
    assert not query[..., p:].any()


@settings(deadline=None, max_examples=20)
@given(sizes)
def test_interleaved_tokens_alternate_and_end_with_an_input(size):
    x, y = prompt(*size[:3], 1)
    tokens = interleaved(x, y)
    assert tokens.shape[1] == 2 * x.shape[1] - 1
    assert torch.equal(tokens[:, ::2], x)
    assert torch.equal(tokens[:, 1::2, :1], y[:, :-1])
    assert not tokens[:, 1::2, 1:].any()
