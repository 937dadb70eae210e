"""Hypothesis strategies: a network with a batch and a loss that fit it; and the profile in use."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gradexplain import (
    MLP,
    Activation,
    Loss,
    Trace,
    backprop,
    gelu,
    identity,
    logistic_loss,
    relu,
    sigmoid,
    signed_error,
    softmax_cross_entropy,
    softplus,
    squared_error,
    tanh,
)
from gradexplain.arrays import Array

ACTIVATIONS = (identity, sigmoid, tanh, relu, softplus, gelu)
LOSSES = (squared_error, signed_error, logistic_loss, softmax_cross_entropy)

# The same examples on every run; and no clock, for a busy machine is no fault of the engine.
settings.register_profile(
    "engine",
    derandomize=True,
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")),  # `make quick` asks for fewer
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("engine")

seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, a batch and a loss.

    The network is built when it is asked for: the run-time check of its shapes picks items by the
    `random` module, which Hypothesis forbids while it draws.
    """

    weights: list[Array]
    biases: list[Array]
    activations: list[Activation]
    x: Array
    y: Array
    loss: Loss

    @cached_property
    def net(self) -> MLP:
        return MLP(self.weights, self.biases, self.activations)

    def trace(self) -> Trace:
        return backprop(self.net, self.x, self.y, self.loss)


@st.composite
def problems(
    draw: st.DrawFn,
    dtypes: tuple[npt.DTypeLike, ...] = (np.float64,),
    batch_sizes: st.SearchStrategy[int] = st.integers(1, 6),  # noqa: B008 - a constant
    activations: tuple[Activation, ...] = ACTIVATIONS,
    losses: tuple[Loss, ...] = LOSSES,
) -> Problem:
    """Draw one to four layers of one to four units, any activation each, and a batch."""
    loss = draw(st.sampled_from(losses))
    widths = st.integers(1, 4)
    outputs = st.integers(2, 4) if loss is softmax_cross_entropy else widths
    sizes = [*draw(st.lists(widths, min_size=1, max_size=4)), draw(outputs)]
    used = [draw(st.sampled_from(activations)) for _ in sizes[1:]]
    dtype, N = draw(st.sampled_from(dtypes)), draw(batch_sizes)
    rng = np.random.default_rng(draw(seeds))
    return Problem(
        [rng.standard_normal(s).astype(dtype) for s in zip(sizes[1:], sizes[:-1], strict=True)],
        [rng.standard_normal(s).astype(dtype) for s in sizes[1:]],
        used,
        rng.standard_normal((N, sizes[0])).astype(dtype),
        valid_targets(loss, (N, sizes[-1]), rng).astype(dtype),
        loss,
    )


def valid_targets(loss: Loss, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw targets from the loss's domain."""
    if loss is logistic_loss:
        return rng.random(shape)
    if loss is softmax_cross_entropy:
        return rng.dirichlet(np.ones(shape[1]), shape[0])
    return rng.standard_normal(shape)
