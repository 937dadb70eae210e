"""What a PyTorch model is in, and how it is put back, bit for bit."""

import torch
from torch import Tensor, nn


class State:
    """A module's weights, buffers, gradients and modes, and torch's random state."""

    def __init__(self, model: nn.Module) -> None:
        """Copy the weights and buffers to the CPU; remember the gradients themselves."""
        self.values = {name: value.detach().to("cpu", copy=True) for name, value in _values(model)}
        self.gradients = {name: weight.grad for name, weight in model.named_parameters()}
        self.modes = modes(model)
        self.random = random_state()

    def restore(self, model: nn.Module) -> None:
        """Put everything back."""
        with torch.no_grad():
            for name, value in _values(model):
                value.copy_(self.values[name])
        for name, weight in model.named_parameters():
            weight.grad = self.gradients[name]
        set_modes(model, self.modes)
        set_random_state(self.random)


def modes(model: nn.Module) -> dict[str, bool]:
    """Return for each module whether it is training."""
    return {name: module.training for name, module in model.named_modules()}


def set_modes(model: nn.Module, training: dict[str, bool]) -> None:
    """Set each module's mode by itself: `train()` would set its children too."""
    for name, module in model.named_modules():
        module.training = training[name]


def random_state() -> list[Tensor]:
    """Return the state of torch's generators: the CPU's, and each CUDA device's in use."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *devices]


def set_random_state(state: list[Tensor]) -> None:
    """Set what `random_state` returned."""
    torch.set_rng_state(state[0])
    if state[1:]:
        torch.cuda.set_rng_state_all(state[1:])


def copied(gradient: Tensor) -> Tensor:
    """Copy a gradient to the CPU, dense."""
    dense = gradient.detach()
    return (dense.to_dense() if dense.is_sparse else dense).to("cpu", copy=True)


def _values(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
