import pytest
import torch
from one_seed import one_seed

from iclbench.models.layouts import interleaved
from iclbench.models.lstm import LSTM
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.ensembles import initialised, predictions_of

B, T, P, WIDTH = 3, 6, 4, 5


def lstm(**options):
    return LSTM(kind="lstm", **{"width": WIDTH, "layers": 3, **options})


def built(model, seed=0):
    torch.manual_seed(seed)
    return one_seed(model.build(P, 1, T)).double()


def prompt(seed=0, batch=B):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, T, P, dtype=torch.double, generator=generator)
    return inputs, torch.randn(batch, T, 1, dtype=torch.double, generator=generator)


def states_of_torch(network):
    """Return the states of torch's LSTM with these weights, and x positions alone."""
    layers = len(network.blocks)
    theirs = torch.nn.LSTM(WIDTH, WIDTH, layers, batch_first=True, dtype=torch.double)
    with torch.no_grad():
        for number, block in enumerate(network.blocks):
            getattr(theirs, f"weight_ih_l{number}").copy_(block.feed.weight[0])
            getattr(theirs, f"bias_ih_l{number}").copy_(block.feed.bias[0])
            getattr(theirs, f"weight_hh_l{number}").copy_(block.recur.weight[0])
            getattr(theirs, f"bias_hh_l{number}").zero_()
    return lambda tokens: theirs(network.read_in(tokens[None])[0])[0][:, ::2]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_it_is_the_lstm_of_torch(layers):
    network = built(lstm(layers=layers))
    inputs, outputs = prompt()
    states = states_of_torch(network)(interleaved(inputs, outputs))
    torch.testing.assert_close(network(inputs, outputs)[-1], network.readout(states[None])[0])


def test_a_probe_reads_the_network_cut_off_after_its_layer():
    network = built(lstm(layers=3))
    inputs, outputs = prompt()
    predictions = network(inputs, outputs)
    for layer in (2, 1):
        del network.blocks[layer]
        states = states_of_torch(network)(interleaved(inputs, outputs))
        expected = network.probes[layer - 1](states[None])[0]
        torch.testing.assert_close(predictions[layer - 1], expected)


def test_the_future_changes_nothing():
    network = built(lstm())
    inputs, outputs = prompt()
    before = network(inputs, outputs)
    assert before.shape == (3, B, T, 1)
    for now in range(T):
        other_inputs, other_outputs = prompt(seed=1)
        other_inputs[:, : now + 1] = inputs[:, : now + 1]
        other_outputs[:, :now] = outputs[:, :now]
        after = network(other_inputs, other_outputs)
        torch.testing.assert_close(after[:, :, : now + 1], before[:, :, : now + 1])
        if now < T - 1:
            assert not torch.allclose(after[:, :, now + 1 :], before[:, :, now + 1 :])


def test_the_network_does_not_feel_its_probes():
    network = built(lstm())
    inputs, outputs = prompt()
    errors = (network(inputs, outputs) - outputs).square().mean((1, 2, 3))
    trunk = [p for name, p in network.named_parameters() if not name.startswith("probes.")]
    alone = torch.autograd.grad(errors[-1], trunk, retain_graph=True)
    together = torch.autograd.grad(errors.sum(), trunk, retain_graph=True)
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)
    probes = list(network.probes.parameters())
    assert all(gradient.any() for gradient in torch.autograd.grad(errors.sum(), probes))


def test_seeds_are_trained_side_by_side_as_each_alone():
    """Two seeds learn two prompts by heart, by the steps that each takes alone."""
    model, seeds = lstm(width=8, layers=2), (0, 1)
    task = LinearRegression(kind="linear", dim=P)
    together = {
        name: tensor.double().requires_grad_()
        for name, tensor in initialised(model, P, 1, T, ("test", "lstm"), seeds).items()
    }
    networks = [built(model) for _ in seeds]
    for number, network in enumerate(networks):
        network.load_state_dict({name: rows[number, None] for name, rows in together.items()})
    predictions = predictions_of(model, P, 1, T)
    optimisers = [
        torch.optim.SGD(list(parameters), lr=0.3)
        for parameters in (together.values(), *(network.parameters() for network in networks))
    ]
    prompts = task.sample(stream("test", "lstm", "prompts"), 2, T)
    x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
    losses = []
    for _ in range(40):
        errors = (predictions(together, x.expand(2, *x.shape), y.expand(2, *y.shape)) - y).square()
        alone = [(network(x, y) - y).square().mean((1, 2, 3)) for network in networks]
        torch.testing.assert_close(errors.mean((2, 3, 4)), torch.stack(alone))
        losses.append(errors[:, -1].mean((1, 2, 3)).detach())
        for optimiser, loss in zip(optimisers, (errors.mean((2, 3, 4)), *alone), strict=True):
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
    assert (losses[-1] < losses[0] / 2).all()


def test_two_of_its_layers_hold_as_many_numbers_as_the_formula_says():
    network = built(lstm(layers=2))
    layer = 8 * WIDTH**2 + 4 * WIDTH
    reading = WIDTH * P + WIDTH + 2 * (WIDTH + 1)
    assert sum(p.numel() for p in network.parameters()) == 2 * layer + reading
    assert not list(network.buffers())


def test_it_is_trained_in_mixed_precision():
    network = built(lstm()).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = network(*(part.float() for part in prompt()))
    found.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    exact = built(lstm())(*prompt())
    close = 0.02 * exact.abs().max().item()  # five units of rounding
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=close)
