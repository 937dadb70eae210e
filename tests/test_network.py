"""The network's forward pass, and each number that backprop keeps of a batch."""

import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close
from support.strategies import ACTIVATIONS, Problem, problems, seeds

from gradexplain import (
    MLP,
    Activation,
    Gradient,
    backprop,
    identity,
    random_mlp,
    relu,
    sigmoid,
    signed_error,
    squared_error,
    tanh,
)

both_dtypes = (np.float32, np.float64)


@given(problems())
def test_the_output_is_that_of_one_example_after_another(p: Problem) -> None:
    for x, output in zip(p.x, p.net(p.x), strict=True):
        a = x
        for W, b, f in zip(p.net.weights, p.net.biases, p.net.activations, strict=True):
            a = f(np.array([sum(w * v for w, v in zip(row, a, strict=True)) for row in W]) + b)
        assert_close(output, a)


@given(problems())
def test_the_trace_chains(p: Problem) -> None:
    trace = p.trace()
    assert trace.net is p.net
    depth = len(p.net.weights)
    assert (len(trace.a), len(trace.z), len(trace.delta)) == (depth + 1, depth, depth)
    assert np.array_equal(trace.a[0], p.x)
    assert np.array_equal(trace.a[-1], p.net(p.x))
    assert np.array_equal(trace.losses, p.loss(p.net(p.x), p.y))
    for l, (W, b, f) in enumerate(zip(p.net.weights, p.net.biases, p.net.activations, strict=True)):
        assert_close(trace.z[l], np.einsum("oi,ni->no", W, trace.a[l]) + b)
        assert np.array_equal(trace.a[l + 1], f(trace.z[l]))
        assert trace.delta[l].shape == trace.z[l].shape == (len(p.x), W.shape[0])


@given(problems(activations=tuple(f for f in ACTIVATIONS if f is not relu)))
def test_delta_is_the_slope_of_each_examples_loss_by_its_z(p: Problem) -> None:
    """Differences through the rest of the network, from each z on."""
    trace, h = p.trace(), 1e-3
    for l, z in enumerate(trace.z):
        slopes = np.empty_like(z)
        for k, unit in enumerate(np.eye(z.shape[1])):
            far, near = (
                _loss_from(p, l, z + n * h * unit) - _loss_from(p, l, z - n * h * unit)
                for n in (2, 1)
            )
            slopes[:, k] = (8 * near - far) / (12 * h)
        size = np.abs(trace.delta[l]).max() + np.abs(trace.losses).max()
        assert np.abs(trace.delta[l] - slopes).max() <= 1e-8 * size


def _loss_from(p: Problem, layer: int, z: np.ndarray) -> np.ndarray:
    a = p.net.activations[layer](z)
    for W, b, f in list(zip(p.net.weights, p.net.biases, p.net.activations, strict=True))[
        layer + 1 :
    ]:
        a = f(a @ W.T + b)
    return p.loss(a, p.y)


def test_two_layers_by_hand() -> None:
    """By ŷ = 3 relu(2x + 1) − 1 at x = 1 and x = −1, for the squared error with y = 6."""
    one = np.ones((1, 1))
    net = MLP([2 * one, 3 * one], [np.array([1.0]), np.array([-1.0])], [relu, identity])
    trace = backprop(net, np.array([[1.0], [-1.0]]), np.array([[6.0], [6.0]]), squared_error)
    assert [z.ravel().tolist() for z in trace.z] == [[3, -1], [8, -1]]
    assert [a.ravel().tolist() for a in trace.a] == [[1, -1], [3, 0], [8, -1]]
    assert trace.losses.tolist() == [4, 49]
    assert [delta.ravel().tolist() for delta in trace.delta] == [[12, 0], [4, -14]]


@given(problems(dtypes=both_dtypes))
def test_the_dtype_is_kept_throughout(p: Problem) -> None:
    trace = p.trace()
    arrays = (trace.losses, *trace.a, *trace.z, *trace.delta, p.net(p.x))
    assert {array.dtype for array in arrays} == {p.x.dtype}


@given(problems(dtypes=both_dtypes))
def test_nothing_handed_in_is_changed(p: Problem) -> None:
    given_arrays = (p.x, p.y, *p.net.weights, *p.net.biases)
    before = [array.copy() for array in given_arrays]
    for array in given_arrays:
        array.flags.writeable = False
    p.trace()
    p.net(p.x)
    for array, kept in zip(given_arrays, before, strict=True):
        assert np.array_equal(array, kept)


def test_networks_traces_and_gradients_are_frozen() -> None:
    net = random_mlp((2, 1), np.random.default_rng(0))
    trace = backprop(net, np.ones((1, 2)), np.ones((1, 1)), squared_error)
    for frozen in (net, trace, Gradient((), ())):
        for name in vars(frozen):
            with pytest.raises(FrozenInstanceError):
                setattr(frozen, name, ())


def test_layers_are_kept_as_tuples_of_the_arrays_given() -> None:
    weights, biases, activations = [np.ones((1, 2))], [np.ones(1)], [tanh]
    net = MLP(weights, biases, activations)
    for kept in (net.weights, net.biases, net.activations):
        assert type(kept) is tuple
        assert len(kept) == 1
    assert net.weights[0] is weights[0]
    assert net.biases[0] is biases[0]
    assert net.activations[0] is tanh
    weights.append(np.ones((1, 1)))
    assert len(net.weights) == 1


@given(
    seed=seeds,
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    hidden=st.sampled_from(ACTIVATIONS),
    output=st.sampled_from(ACTIVATIONS),
    dtype=st.sampled_from(both_dtypes),
)
def test_random_mlp_draws_layer_after_layer(
    seed: int,
    sizes: list[int],
    hidden: Activation,
    output: Activation,
    dtype: type[np.floating],
) -> None:
    net = random_mlp(sizes, np.random.default_rng(seed), hidden, output, dtype)
    assert net.activations == (*[hidden] * (len(sizes) - 2), output)
    rng = np.random.default_rng(seed)
    for W, n_in, n_out in zip(net.weights, sizes[:-1], sizes[1:], strict=True):
        expected = (rng.standard_normal((n_out, n_in)) / n_in**0.5).astype(dtype)
        assert W.dtype == dtype
        assert_close(W, expected, 1e-6 if dtype is np.float32 else 1e-15)
    for b, n_out in zip(net.biases, sizes[1:], strict=True):
        assert b.dtype == dtype
        assert np.array_equal(b, (rng.standard_normal(n_out) / 2).astype(dtype))


def test_random_mlp_unless_told() -> None:
    net = random_mlp((2, 3, 4, 1), np.random.default_rng(0))
    assert net.activations == (tanh, tanh, identity)
    assert {array.dtype for array in (*net.weights, *net.biases)} == {np.dtype(np.float64)}
    named = random_mlp(
        sizes=(1, 1, 1),
        rng=np.random.default_rng(0),
        hidden=relu,
        output=sigmoid,
        dtype=np.float32,
    )
    assert named.activations == (relu, sigmoid)


def test_random_mlp_has_the_variances_it_promises() -> None:
    net = random_mlp((400, 300), np.random.default_rng(0))
    assert abs(net.weights[0].var() * 400 - 1) < 0.02
    wide = random_mlp((1, 40_000), np.random.default_rng(0))
    assert abs(wide.biases[0].var() * 4 - 1) < 0.03


# Numbers that grow too large


@pytest.mark.parametrize(
    ("scale", "activation", "said"),
    [
        (1e30, identity, r"z[0][0, 0] is inf"),
        (1e15, identity, r"z[1][0, 0] is inf"),
        (1e10, identity, r"losses[0] is inf"),
        (-1e30, relu, r"z[0][0, 0] is -inf"),
    ],
)
def test_an_overflow_is_one_error_that_names_the_first_number(
    scale: float, activation: Activation, said: str
) -> None:
    W = np.full((1, 1), scale, np.float32)
    net = MLP([W, W], [np.zeros(1, np.float32)] * 2, [activation, identity])
    x = np.full((1, 1), 1e10, np.float32)
    message = f"x, y and the parameters must be small enough for float32, but {said}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backprop(net, x, x, squared_error)


def test_an_overflow_forwards_is_the_same_error() -> None:
    net = MLP([np.full((1, 1), 1e200)], [np.zeros(1)], [tanh])
    with pytest.raises(ValueError, match=r"small enough for float64, but z\[0\]\[0, 0\] is inf$"):
        net(np.full((1, 1), 1e200))


def test_large_numbers_whose_squares_overflow_are_no_overflow() -> None:
    net = MLP([np.full((1, 1), 1e20, np.float32)], [np.zeros(1, np.float32)], [identity])
    x = np.full((2, 1), 1e15, np.float32)
    assert backprop(net, x, x, signed_error).a[1].tolist() == (x * np.float32(1e20)).tolist()


def test_input_is_checked_where_it_comes_in_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = random_mlp((2, 3, 1), np.random.default_rng(0))
    x, y = np.ones((4, 2)), np.ones((4, 1))
    checked: list[str] = []
    monkeypatch.setattr("gradexplain.network.check_array", lambda name, *_: checked.append(name))
    monkeypatch.setattr("gradexplain.activations.check_array", None)
    monkeypatch.setattr("gradexplain.losses.check_array", None)
    backprop(net, x, y, squared_error)
    assert checked == ["x", "y"]


def test_an_overflow_on_the_way_back_is_named() -> None:
    """The output and its loss fit; the delta, times the weight above, does not."""
    W = [np.ones((1, 1), np.float32), np.full((1, 1), 1e30, np.float32)]
    net = MLP(W, [np.zeros(1, np.float32)] * 2, [identity, identity])
    x = np.full((1, 1), 1e-20, np.float32)
    with pytest.raises(
        ValueError, match=r"small enough for float32, but delta\[0\]\[0, 0\] is inf$"
    ):
        backprop(net, x, np.zeros_like(x), squared_error)


def test_infinities_that_cancel_are_an_overflow_too() -> None:
    """A processor that rounds only the sum never meets the second infinity."""
    net = MLP([np.array([[1e200, -1e200]])], [np.zeros(1)], [identity])
    x = np.full((1, 2), 1e200)
    for run in (net, lambda x: backprop(net, x, np.ones((1, 1)), squared_error)):
        with pytest.raises(
            ValueError, match=r"small enough for float64, but z\[0\]\[0, 0\] is (nan|-?inf)$"
        ):
            run(x)
