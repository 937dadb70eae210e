"""The same works in PyTorch, and in the two libraries on it that know each example's gradient."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from backpack import backpack, extend
from backpack.extensions import BatchGrad, BatchL2Grad
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import (
    GradSampleModuleFastGradientClipping,
)
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from bench.cases import Array, Case, Run, draw_batch

PACKAGES = ("torch", "opacus", "backpack-for-pytorch", "numpy")
_HIDDEN = {"relu": nn.ReLU, "tanh": nn.Tanh}


def autograd(case: Case) -> Run:
    model, x, y = _network(case)
    parameters = list(model.parameters())
    return lambda: torch.autograd.grad(F.cross_entropy(model(x), y), parameters)


def func(case: Case) -> Run:
    model, x, y = _network(case)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, parameters, (x,)), y)

    each = vmap(grad(loss), in_dims=(None, 0, 0))
    return lambda: list(each(parameters, x, y).values())


def backpack_gradients(case: Case) -> Run:
    model, x, y = _network(case)
    return _backward(extend(model), x, y, BatchGrad(), "grad_batch")


def backpack_norms(case: Case) -> Run:
    model, x, y = _network(case)
    run = _backward(extend(model), x, y, BatchL2Grad(), "batch_l2")
    return lambda: torch.stack(run()).sum(0).sqrt()


def opacus_gradients(case: Case) -> Run:
    model, x, y = _network(case)
    return _backward(GradSampleModule(model, loss_reduction="sum"), x, y, None, "grad_sample")


def opacus_ghost_norms(case: Case) -> Run:
    model, x, y = _network(case)
    ghost = GradSampleModuleFastGradientClipping(model, loss_reduction="sum", max_grad_norm=1.0)
    run = _backward(ghost, x, y, None, "_norm_sample")
    return lambda: torch.stack(run()).norm(2, dim=0)


def arrays(result: Any) -> list[Array]:
    if isinstance(result, Tensor):
        return [result.detach().numpy()]
    found: list[Array] = [np.asarray(one.detach()) for one in result]
    return found[0::2] + found[1::2]  # weights, then biases


def _backward(model: nn.Module, x: Tensor, y: Tensor, extension: Any, attribute: str) -> Run:
    """Run one backward pass of the summed loss; take what it left at the parameters."""
    parameters = list(model.parameters())

    def run() -> list[Tensor]:
        loss = F.cross_entropy(model(x), y, reduction="sum")
        if extension is None:
            loss.backward()
        else:
            with backpack(extension):
                loss.backward()
        found = [getattr(parameter, attribute) for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
            setattr(parameter, attribute, None)
        return found

    return run


def _network(case: Case) -> tuple[nn.Module, Tensor, Tensor]:
    batch = draw_batch(case)
    layers: list[nn.Module] = []
    for W, b in zip(batch.weights, batch.biases, strict=True):
        linear = nn.Linear(W.shape[1], W.shape[0], dtype=torch.from_numpy(W).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, _HIDDEN[batch.hidden]()]
    return nn.Sequential(*layers[:-1]), torch.from_numpy(batch.x), torch.from_numpy(batch.y)
