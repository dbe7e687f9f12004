"""Networks hold an ensemble of seeds; tests of what one computes leave the seed away."""

import torch


def one_seed(network: torch.nn.Module) -> torch.nn.Module:
    """Have a network of one seed take prompts (B,T,p) and return predictions (K,B,T,q)."""

    def with_seed(_, prompt, options):
        return tuple(part[None] for part in prompt), options

    network.register_forward_pre_hook(with_seed, with_kwargs=True)
    network.register_forward_hook(lambda _, prompt, predictions: predictions[0])
    return network
