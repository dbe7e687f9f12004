"""Networks of several seeds as one, their parameters side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature

from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel
from iclbench.streams import torch_seed

State = dict[str, "torch.Tensor"]
Predictions = Callable[[State, "torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def initialised(
    model: TrainedModel,
    input_dim: int,
    output_dim: int,
    length: int,
    names: tuple[str, ...],
    seeds: Sequence[int],
) -> State:
    """Return the initial parameters of every seed by name, seed first, in float32.

    A seed's are drawn on the CPU from a stream of its name, whatever the other seeds.
    """
    networks = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(*names, seed, "init"))
            networks.append(model.build(input_dim, output_dim, length))
    states = [network.state_dict() for network in networks]
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def predictions_of(
    model: TrainedModel,
    input_dim: int,
    output_dim: int,
    length: int,
    *,
    last: bool = False,
    states: bool = False,
) -> Predictions:
    """Return the function (state, inputs, outputs) -> predictions of all seeds at once.

    Its arguments have the seed as their first dimension, as has what it returns: (S,K,B,T,q), or
    with ``last`` (S,K,B,1,q), what is predicted at the last position alone, or with ``states``
    (S,K,B,T,width), what a network that has probes reads its predictions from.
    """
    with torch.random.fork_rng(devices=[]):
        network = model.build(input_dim, output_dim, length)
    slots = _emptied(network)
    asked = {"states": True} if states else {}
    if last and "last" in signature(network.forward).parameters:
        asked["last"] = True

    def predictions(state: State, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        for name, (module, own) in slots.items():
            setattr(module, own, state[name])
        found = network(inputs, outputs, **asked)
        return found[:, :, :, -1:] if last else found

    return predictions


def _emptied(network: torch.nn.Module) -> dict[str, tuple[torch.nn.Module, str]]:
    """Make a network's parameters plain attributes, without values; return where each has been.

    To set these is what ``torch.func.functional_call`` does, whose care takes as long as a layer of
    a small network.
    """
    slots = {}
    for name, _ in list(network.named_parameters()):
        path, _, own = name.rpartition(".")
        module = network.get_submodule(path)
        delattr(module, own)
        slots[name] = module, own
    return slots
