import math

import pytest
import torch
from one_seed import one_seed
from pydantic import ValidationError

from iclbench.models.attention_only import AttentionOnly
from iclbench.models.complex_attention import ComplexAttention
from iclbench.models.constructed.causal_kernel_descent import CausalKernelDescent
from iclbench.models.gpt2 import GPT2
from iclbench.models.kernel_descent import KernelDescent
from iclbench.models.paired import Paired
from iclbench.registry import find, locations
from iclbench.solvers.complex_gradient_step import ComplexGradientStep

ATTENTION = sorted(locations("attention"))
POINTWISE = ["exponential", "linear", "relu", "softmax"]
B, T, P = 3, 6, 4


def attention_only(**options):
    return AttentionOnly(kind="attention_only", **options)


def paired(**options):
    return Paired(kind="paired", **options)


def complex_attention(**options):
    return ComplexAttention(kind="complex_attention", **options)


def kernel_descent(**options):
    return KernelDescent(kind="kernel_descent", **options)


def gpt2(**options):
    return GPT2(kind="gpt2", **{"width": 8, **options})


def every_model():
    for kind in ATTENTION:
        attention = {"kind": kind}
        for layout in ("augmented", "plain"):
            yield attention_only(attention=attention, layout=layout, heads=2, layers=2), P
        for value, q in (("block", 2), ("dense", 1)):
            yield paired(attention=attention, value=value, heads=2, layers=2), q
        yield gpt2(attention=attention, layers=2), 1
    for kind in POINTWISE:
        yield paired(attention={"kind": kind}, context="prefix", heads=2, layers=2), 2
    for kind in ("exponential", "linear", "relu"):
        for context in ("causal", "prefix"):
            yield paired(attention={"kind": kind}, context=context, mean=True, layers=2), 1
    for diagonal in (True, False):
        yield complex_attention(heads=2, diagonal=diagonal), P
    for kind in ("exponential", "linear", "softmax"):
        for start in ("constructed", "random"):
            attention = {"kind": kind, "scale": 0.1}
            for blocks in (True, False):
                options = {"attention": attention, "start": start, "blocks": blocks}
                yield kernel_descent(layers=3, **options), 2
    yield attention_only(layout="plain", repeat=2, heads=3, positional=True, residual=False), P
    yield attention_only(bias=False, layer_norm=False, share=True, layers=3), P


MODELS = list(every_model())


def name(value):
    if isinstance(value, int):
        return f"q{value}"
    return "-".join(map(str, value.model_dump(exclude_defaults=True).values()))


def built(model, q=P, seed=0):
    torch.manual_seed(seed)
    return one_seed(model.build(P, q, T)).double()


def prompt(q=P, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(B, T, P, dtype=torch.double, generator=generator)
    return inputs, torch.randn(B, T, q, dtype=torch.double, generator=generator)


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_the_future_changes_nothing(model, q):
    network = built(model, q)
    inputs, outputs = prompt(q)
    before = network(inputs, outputs)
    assert before.shape == (len(model.iterates), B, T, q)
    for now in range(T):
        other_inputs, other_outputs = prompt(q, seed=1)
        other_inputs[:, : now + 1] = inputs[:, : now + 1]
        other_outputs[:, :now] = outputs[:, :now]
        after = network(other_inputs, other_outputs)
        torch.testing.assert_close(after[:, :, : now + 1], before[:, :, : now + 1])
        if now < T - 1:
            assert not torch.allclose(after[:, :, now + 1 :], before[:, :, now + 1 :])


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_the_transformer_does_not_feel_its_probes(model, q):
    network = built(model, q)
    inputs, outputs = prompt(q)
    errors = (network(inputs, outputs) - outputs).square().mean((1, 2, 3))
    trunk = {name: p for name, p in network.named_parameters() if not name.startswith("probes.")}
    alone = torch.autograd.grad(
        errors[-1], list(trunk.values()), allow_unused=True, retain_graph=True
    )
    together = torch.autograd.grad(errors.sum(), list(trunk.values()), allow_unused=True)
    for one, other in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("deep", "shallow", "q"),
    [
        (attention_only(layers=3), attention_only(layers=1), P),
        (paired(layers=3), paired(layers=2), 2),
        (paired(layers=3, context="prefix"), paired(layers=2, context="prefix"), 2),
    ],
    ids=name,
)
def test_a_depth_is_the_truncated_model(deep, shallow, q):
    network, truncated = built(deep, q), built(shallow, q, seed=1)
    state = network.state_dict()
    if isinstance(deep, AttentionOnly):
        last = f"probes.{shallow.layers - 1}"
        state |= {f"readout.{part}": state[f"{last}.{part}"] for part in ("weight", "bias")}
    truncated.load_state_dict({name: state[name] for name in truncated.state_dict()})
    prompts = prompt(q)
    expected = truncated(*prompts)
    torch.testing.assert_close(network(*prompts)[: shallow.layers], expected)


@pytest.mark.parametrize("kind", ATTENTION)
def test_inner_depths_of_gpt2_do_not_depend_on_later_layers(kind):
    network = built(gpt2(layers=3, attention={"kind": kind}), 1)
    before = network(*prompt(1))
    torch.nn.init.normal_(network.blocks[2].mix.weight)
    after = network(*prompt(1))
    assert torch.equal(after[:2], before[:2])
    assert not torch.allclose(after[2], before[2])


def test_shared_weights_are_one_layer_at_every_depth():
    shared, separate = built(attention_only(layers=3, share=True)), built(attention_only(layers=3))
    state = shared.state_dict()
    assert sum(name.startswith("blocks") for name in state) * 3 == sum(
        name.startswith("blocks") for name in separate.state_dict()
    )
    copies = {
        name: state[f"blocks.0.{name.split('.', 2)[2]}" if name.startswith("blocks") else name]
        for name in separate.state_dict()
    }
    separate.load_state_dict(copies)
    assert torch.equal(shared(*prompt()), separate(*prompt()))


def test_without_residual_a_layer_forgets_its_input():
    network = built(attention_only(residual=False, layer_norm=False, layout="plain"))
    torch.nn.init.zeros_(network.blocks[0].mix.weight)
    torch.nn.init.zeros_(network.blocks[0].mix.bias)
    expected = network.readout.bias.expand(1, B, T, P)
    torch.testing.assert_close(network(*prompt()), expected)


def test_one_linear_layer_can_take_a_step_of_gradient_descent():
    network = built(attention_only(bias=False, layer_norm=False, attention={"kind": "linear"}))
    block, eta = network.blocks[0], 0.3

    def first_of(source):
        """The map whose first third is a third of the token: 1 is s_t, 2 is s_{t-1}."""
        matrix = torch.zeros(3 * P, 3 * P)
        matrix[:P, source * P : (source + 1) * P] = torch.eye(P)
        return matrix

    with torch.no_grad():
        block.query.weight.copy_(first_of(1))
        block.key.weight.copy_(first_of(2))
        block.value.weight.copy_(first_of(1))
        block.mix.weight.copy_(eta * torch.eye(3 * P))
        network.readout.weight.copy_(first_of(0)[:P])
    states, outputs = prompt()
    W = torch.zeros(B, P, P, dtype=torch.double)
    for t in range(T):
        if t > 0:
            W = W + eta * states[:, t, :, None] * states[:, t - 1, None, :]
        expected = torch.einsum("bij,bj->bi", W, states[:, t])
        torch.testing.assert_close(network(states, outputs)[0, :, t], expected)


def test_positional_weights_multiply_the_linear_ones():
    model = attention_only(layout="plain", heads=2, positional=True, residual=False)
    network = built(model)
    block, positions = network.blocks[0], network.positions
    inputs, outputs = prompt()

    def head(linear, x, h):
        part = slice(h * P, (h + 1) * P)
        return x @ linear.weight[0, part].mT + linear.bias[0, part]

    for b in range(B):
        for t in range(T):
            total = torch.zeros(P, dtype=torch.double)
            for h in range(2):
                q, k, v = (
                    head(f, inputs[b, : t + 1], h) for f in (block.query, block.key, block.value)
                )
                qp, kp = (head(f, positions[0, : t + 1], h) for f in (block.query, block.key))
                weights = (k @ q[t]) / math.sqrt(P) * torch.softmax(kp @ qp[t] / math.sqrt(P), 0)
                total = total + weights @ v
            expected = network.readout(block.norm(block.mix(total[None, None])))[0, 0]
            torch.testing.assert_close(network(inputs, outputs)[0, b, t], expected)


@pytest.mark.parametrize("kind", ["exponential", "linear", "relu"])
@pytest.mark.parametrize("q", [1, 3])
def test_paired_layers_with_identity_weights_are_functional_gradient_descent(kind, q):
    """f_{l+1} = f_l - eta_l sum_i (f_l(x_i) - y_i) kappa(x_i, .), on every prefix alone."""
    steps = [0.05, 0.02, 0.03]
    network = built(paired(layers=3, context="prefix", attention={"kind": kind}), q)
    with torch.no_grad():
        for block, eta in zip(network.blocks, steps, strict=True):
            block.query.copy_(torch.eye(P))
            block.key.copy_(torch.eye(P))
            block.value_inputs.zero_()
            block.value_labels.copy_(-eta * torch.eye(q))
    inputs, outputs = prompt(q)
    predictions = network(inputs, outputs)
    kappa = {"linear": lambda z: z, "relu": torch.relu, "exponential": torch.exp}[kind]
    for t in range(T):
        x, y = inputs[:, :t], outputs[:, :t]
        gram, row = kappa(x @ x.mT), kappa(inputs[:, t : t + 1] @ x.mT)
        coefficients = torch.zeros_like(y)
        for depth, eta in enumerate(steps):
            coefficients = coefficients - eta * (gram @ coefficients - y)
            torch.testing.assert_close(predictions[depth, :, t], (row @ coefficients)[:, 0])


@pytest.mark.parametrize("kind", POINTWISE)
def test_one_layer_is_the_same_in_causal_and_prefix_context(kind):
    """Only the context tokens' own updates differ, which the first layer does not read."""
    attention = {"kind": kind}
    causal, prefix = (
        built(paired(layers=2, heads=2, attention=attention, context=context), 2)
        for context in ("causal", "prefix")
    )
    one, other = causal(*prompt(2)), prefix(*prompt(2))
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1, :, 3:], other[1, :, 3:])


@pytest.mark.parametrize("context", ["causal", "prefix"])
def test_block_values_are_dense_values_with_zeros(context):
    block = built(paired(layers=2, heads=2, context=context), 2)
    dense = built(paired(layers=2, heads=2, context=context, value="dense"), 2)
    with torch.no_grad():
        for one, other in zip(block.blocks, dense.blocks, strict=True):
            for part in (other.query, other.key, other.value):
                part.zero_()
            other.query[..., :P, :P] = one.query
            other.key[..., :P, :P] = one.key
            other.value[..., :P, :P] = one.value_inputs
            other.value[..., P:, P:] = one.value_labels
    torch.testing.assert_close(dense(*prompt(2)), block(*prompt(2)))


@pytest.mark.parametrize("context", ["causal", "prefix"])
def test_the_mean_divides_by_the_number_of_keys(context):
    total = built(paired(context=context), 2)
    mean = built(paired(context=context, mean=True), 2)
    seen = torch.arange(T).clamp_min(1)[:, None]
    torch.testing.assert_close(mean(*prompt(2)), total(*prompt(2)) / seen)


def test_gpt2_agrees_with_one_written_down_by_hand():
    settings = gpt2(width=8, heads=2, layers=2)
    network = built(settings, 1)
    for parameter in network.parameters():  # biases and norms are trivial at the start
        torch.nn.init.normal_(parameter, std=0.5)
    w = {name: parameter[0] for name, parameter in network.named_parameters()}
    inputs, outputs = prompt(1)

    def linear(name, x):
        return w[f"{name}.weight"] @ x + w[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean()
        unit = centred / (centred.square().mean() + 1e-5).sqrt()
        return unit * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x):
        return x / 2 * (1 + torch.erf(x / math.sqrt(2)))

    def predictions(x, y):
        tokens = []
        for t in range(T):
            tokens += [x[t], torch.cat([y[t], torch.zeros(P - 1)])]
        stream = [
            linear("read_in", token) + w["positions"][i] for i, token in enumerate(tokens[:-1])
        ]
        found = []
        for layer in range(2):
            block = f"blocks.{layer}."
            normed = [norm(f"{block}attention_norm", h) for h in stream]
            q, k, v = (
                [linear(block + part, h) for h in normed] for part in ("query", "key", "value")
            )
            for i in range(len(stream)):
                heads = []
                for head in (slice(0, 4), slice(4, 8)):
                    scores = torch.stack([q[i][head] @ k[j][head] / 2 for j in range(i + 1)])
                    weights = scores.exp() / scores.exp().sum()
                    heads.append(sum(weights[j] * v[j][head] for j in range(i + 1)))
                stream[i] = stream[i] + linear(f"{block}mix", torch.cat(heads))
            for i, h in enumerate(stream):
                hidden = gelu(linear(f"{block}expand", norm(f"{block}mlp_norm", h)))
                stream[i] = h + linear(f"{block}contract", hidden)
            last = layer == 1
            found.append(
                torch.stack(
                    [
                        linear("readout", norm("norm", h)) if last else linear("probes.0", h)
                        for h in stream[::2]
                    ]
                )
            )
        return torch.stack(found)

    expected = torch.stack([predictions(x, y) for x, y in zip(inputs, outputs, strict=True)], 1)
    torch.testing.assert_close(network(inputs, outputs), expected)


def test_gpt2_starts_as_gpt2_does():
    torch.manual_seed(0)
    network = gpt2(width=64, layers=4).build(P, 1, T)
    block = network.blocks[0]
    assert block.query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.contract.weight.std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.05)
    assert network.positions.std().item() == pytest.approx(0.02, rel=0.1)
    assert not block.expand.bias.any()


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_a_network_holds_parameters_alone(model, q):
    network = built(model, q)
    assert not list(network.buffers())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attention_only(repeat=2), "repeat"),
        (lambda: attention_only(positional=True, attention={"kind": "relu"}), "positional"),
        (lambda: paired(context="prefix", attention={"kind": "delta"}), "context: causal"),
        (lambda: paired(mean=True, attention={"kind": "softmax"}), "remove mean"),
        (lambda: gpt2(width=9), "multiple of heads"),
    ],
)
def test_settings_that_disagree_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_attention_may_be_of_any_kind():
    for kind in ATTENTION:
        assert isinstance(gpt2(attention={"kind": kind}).attention, find("attention", kind))


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("kind", ["exponential", "linear", "softmax"])
def test_kernel_descent_starts_from_the_construction(kind, blocks):
    attention = {"kind": kind}
    options = {"start": "constructed", "step": 0.2, "layers": 5, "blocks": blocks}
    trained = kernel_descent(attention=attention, **options)
    settings = {"attention": attention, "step": 0.2, "depths": range(1, 6)}
    by_hand = CausalKernelDescent.model_validate({"kind": "causal_kernel_descent", **settings})
    inputs, outputs = prompt(2)
    inputs = inputs / inputs.norm(dim=-1, keepdim=True)
    found, expected = built(trained, 2)(inputs, outputs), by_hand.predict(inputs, outputs)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_random_kernel_descent_is_another_with_each_seed():
    inputs, outputs = prompt(2)
    model = kernel_descent(layers=2)
    one, other = (built(model, 2, seed)(inputs, outputs) for seed in (0, 1))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("diagonal", [True, False])
def test_complex_attention_can_be_a_gradient_step(diagonal):
    network = built(complex_attention(diagonal=diagonal), P)
    d = P // 2
    with torch.no_grad():
        for part, reads in (("query", 1), ("key", 2), ("value", 1)):
            weight = torch.zeros(3 * d, 3 * d)
            for i in range(d):
                weight[i, reads * d + i] = 1
            set_weight(getattr(network, part).weight, weight, d)
        readout = torch.cat([3 * d * 0.3 * torch.eye(d), torch.zeros(d, 2 * d)], dim=1)
        set_weight(network.readout.weight, readout, d)
    inputs, _ = prompt(P)
    outputs = torch.cat([inputs[:, 1:], inputs[:, :1]], dim=1)  # a sequence, up to the last output
    step = ComplexGradientStep(kind="complex_gradient_step", step=0.3)
    torch.testing.assert_close(network(inputs, outputs), step.predict(inputs, outputs))


def set_weight(parameter, weight, d):
    """Set a complex weight, in blocks of diagonals or of single entries, to a real matrix."""
    block = parameter.shape[-2]
    rows, columns = weight.shape
    blocks = weight.reshape(rows // block, block, columns // block, block)
    parameter.zero_()
    parameter[0, ..., 0] = blocks.diagonal(dim1=1, dim2=3)
