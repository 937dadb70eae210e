"""What every public function refuses, each by its whole message.

These calls break the functions' signatures, so they run without the run-time check of shapes.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.strategies import ACTIVATIONS, LOSSES

from gradexplain import (
    MLP,
    Line,
    averaged_backprop,
    backprop,
    compare_means,
    covariance,
    gap_ledger,
    identity,
    logistic_loss,
    random_mlp,
    sigmoid,
    softmax_cross_entropy,
    squared_error,
    tanh,
)
from gradexplain.arrays import Array, check_array
from gradexplain.line import descend, five_sums, least_squares

pytestmark = pytest.mark.bad_input

FLAT = Line(0.0, 0.0)
ONE = np.ones(1)
TWO = np.ones(2)
NET = MLP([np.ones((3, 2)), np.ones((1, 3))], [np.ones(3), np.ones(1)], [tanh, identity])
X, Y = np.ones((4, 2)), np.ones((4, 1))


def _refused(message: str, call: Callable[..., object], *args: Any) -> None:
    """Expect this message: a wrong type or dtype is a TypeError, all else is a ValueError."""
    of_type = re.search(
        r" must be (a NumPy array|of dtype|float\d\d like|an Activation|a Trace)", message
    )
    error = TypeError if of_type else ValueError
    with pytest.raises(error, match=f"^{re.escape(message)}$") as caught:
        call(*args)
    assert type(caught.value) is error


# Any of these in the place of an array of shape (N,), and how each is refused.
NO_VECTORS: list[tuple[Any, str]] = [
    ([1.0, 2.0], "{} must be a NumPy array of float32 or float64, not list"),
    ((1.0, 2.0), "{} must be a NumPy array of float32 or float64, not tuple"),
    (1.0, "{} must be a NumPy array of float32 or float64, not float"),
    (np.float64(1), "{} must be a NumPy array of float32 or float64, not float64"),
    (None, "{} must be a NumPy array of float32 or float64, not NoneType"),
    (np.array([1, 2]), "{} must be of dtype float32 or float64, not int64"),
    (np.array([True]), "{} must be of dtype float32 or float64, not bool"),
    (np.array([1.0], object), "{} must be of dtype float32 or float64, not object"),
    (np.array([1j]), "{} must be of dtype float32 or float64, not complex128"),
    (np.ones(2, np.float16), "{} must be of dtype float32 or float64, not float16"),
    (np.array(["1.0"]), "{} must be of dtype float32 or float64, not <U3"),
    (np.array([]), "{} must not be empty, but its shape is (0,)"),
    (np.array([0, np.nan]), "{} must be finite, but {}[1] is nan"),
    (np.array([np.inf, np.nan]), "{} must be finite, but {}[0] is inf"),
    (np.array([1, 2, -np.inf]), "{} must be finite, but {}[2] is -inf"),
]
NO_VECTOR_SHAPES: list[tuple[Any, str]] = [
    (np.array(1.0), "{} must have shape (N,), not ()"),
    (np.ones((2, 1)), "{} must have shape (N,), not (2, 1)"),
    (np.ones((1, 2)), "{} must have shape (N,), not (1, 2)"),
]
TAKERS: list[tuple[str, Callable[[Any], object]]] = [
    ("x", FLAT.predict),
    ("x", lambda v: FLAT.residuals(v, ONE)),
    ("x", lambda v: FLAT.loss(v, ONE)),
    ("x", lambda v: FLAT.gradient(v, ONE)),
    ("x", lambda v: FLAT.averaged_gradient(v, ONE)),
    ("x", lambda v: FLAT.averaging_gap(v, ONE)),
    ("x", lambda v: least_squares(v, ONE)),
    ("x", lambda v: five_sums(v, ONE)),
    ("x", lambda v: descend(FLAT, v, ONE, 0.1, 0)),
    ("x", lambda v: compare_means(np.exp, v)),
    ("u", lambda v: covariance(v, ONE)),
]


@pytest.mark.parametrize(("name", "take"), TAKERS)
@pytest.mark.parametrize(("value", "message"), NO_VECTORS + NO_VECTOR_SHAPES)
def test_no_vector(name: str, take: Callable[[Any], object], value: Any, message: str) -> None:
    _refused(message.format(name, name), take, value)


@pytest.mark.parametrize("f", ACTIVATIONS, ids=lambda f: f.name)
@pytest.mark.parametrize(("value", "message"), NO_VECTORS)
def test_activations_take_arrays_of_any_shape_and_nothing_else(
    f: Any, value: Any, message: str
) -> None:
    for call in (f, f.derivative, f.second_derivative, f.third_derivative):
        _refused(message.format("z", "z"), call, value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([[0, 1], [np.nan, 0]]), "z must be finite, but z[1, 0] is nan"),
        (np.full((1, 1, 2), -np.inf), "z must be finite, but z[0, 0, 0] is -inf"),
        (np.array(np.nan), "z must be finite, but z is nan"),
        (np.full(1, np.inf, np.float32), "z must be finite, but z[0] is inf"),
        (np.ones((0, 2)), "z must not be empty, but its shape is (0, 2)"),
        (np.ones((2, 0)), "z must not be empty, but its shape is (2, 0)"),
    ],
)
def test_the_first_number_that_is_not_finite_is_named(value: Array, message: str) -> None:
    _refused(message, sigmoid, value)


PAIRS: list[tuple[str, str, Callable[[Any, Any], object]]] = [
    ("x", "y", FLAT.residuals),
    ("x", "y", FLAT.loss),
    ("x", "y", FLAT.gradient),
    ("x", "y", FLAT.averaged_gradient),
    ("x", "y", FLAT.averaging_gap),
    ("x", "y", least_squares),
    ("x", "y", five_sums),
    ("x", "y", lambda x, y: descend(FLAT, x, y, 0.1, 0)),
    ("u", "v", covariance),
]


@pytest.mark.parametrize(("first", "second", "take"), PAIRS)
def test_two_vectors_that_differ(
    first: str, second: str, take: Callable[[Any, Any], object]
) -> None:
    for wrong, message in NO_VECTORS[:11]:
        text = message.format(second, second)
        _refused(text, take, TWO, wrong)
    for shape in ((1,), (3,), (2, 1), (1, 2), ()):
        text = f"{second} must have shape (2,), not {shape}"
        _refused(text, take, TWO, np.ones(shape))
    text = f"{second} must be float64 like {first}, not float32"
    _refused(text, take, TWO, np.ones(2, np.float32))
    text = f"{second} must be float32 like {first}, not float64"
    _refused(text, take, np.ones(2, np.float32), TWO)
    text = f"{second} must be finite, but {second}[1] is nan"
    _refused(text, take, TWO, np.array([1, np.nan]))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize(
    ("output", "target", "message"),
    [
        ([[1.0]], Y, "output must be a NumPy array of float32 or float64, not list"),
        (Y.astype(int), Y, "output must be of dtype float32 or float64, not int64"),
        (Y[:, 0], Y, "output must have shape (N, d), not (4,)"),
        (Y[:, None], Y, "output must have shape (N, d), not (4, 1, 1)"),
        (Y[:0], Y[:0], "output must not be empty, but its shape is (0, 1)"),
        (Y[:, :0], Y[:, :0], "output must not be empty, but its shape is (4, 0)"),
        (Y * np.nan, Y, "output must be finite, but output[0, 0] is nan"),
        (Y, [[1.0]], "target must be a NumPy array of float32 or float64, not list"),
        (Y, Y > 0, "target must be of dtype float32 or float64, not bool"),
        (Y, Y[:, 0], "target must have shape (4, 1), not (4,)"),
        (Y, Y[:1], "target must have shape (4, 1), not (1, 1)"),
        (Y, X, "target must have shape (4, 1), not (4, 2)"),
        (X, Y, "target must have shape (4, 2), not (4, 1)"),
        (Y, Y * np.inf, "target must be finite, but target[0, 0] is inf"),
        (Y, Y.astype("f4"), "target must be float64 like output, not float32"),
        (Y.astype("f4"), Y, "target must be float32 like output, not float64"),
    ],
)
def test_losses(loss: Any, output: Any, target: Any, message: str) -> None:
    _refused(message, loss, output, target)
    _refused(message, loss.derivative, output, target)


@pytest.mark.parametrize("loss", [logistic_loss, softmax_cross_entropy], ids=lambda f: f.name)
@pytest.mark.parametrize(
    ("target", "given"),
    [
        ([[-1.0, 2.0]], "-1.0"),
        ([[0.5, 1.5]], "1.5"),
        ([[0.5, 0.5], [0.0, -1e-9]], "-1e-09"),
        ([[np.nextafter(1, 2), 0.0]], "1.0000000000000002"),
    ],
)
def test_targets_that_are_no_probabilities(loss: Any, target: Any, given: str) -> None:
    message = f"target must lie in [0, 1] for this loss, not {given}"
    wrong = np.array(target)
    for call in (loss, loss.derivative):
        _refused(message, call, np.zeros_like(wrong), wrong)


@pytest.mark.parametrize(
    ("target", "row", "total"),
    [
        ([[0.5, 0.25]], 0, "0.75"),
        ([[1.0, 1.0]], 0, "2.0"),
        ([[0.0, 1.0], [0.0, 0.0], [0.5, 0.0]], 1, "0.0"),
        ([[0.5], [1.0]], 0, "0.5"),
    ],
)
def test_targets_that_are_no_distributions(target: Any, row: int, total: str) -> None:
    message = f"target rows must sum to 1 for this loss, but row {row} sums to {total}"
    wrong = np.array(target)
    for call in (softmax_cross_entropy, softmax_cross_entropy.derivative):
        _refused(message, call, np.zeros_like(wrong), wrong)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (np.mean, "must keep the shape (1,) of its input, not return ()"),
        (lambda z: z[:, None], "must keep the shape (1,) of its input, not return (1, 1)"),
        (lambda z: np.ones(2), "must keep the shape (1,) of its input, not return (2,)"),  # noqa: ARG005 - wrong on purpose
        (lambda z: z[:1], "must keep the shape (2,) of its input, not return (1,)"),
        (lambda z: None, "must keep the shape (1,) of its input, not return ()"),  # noqa: ARG005 - wrong on purpose
    ],
)
def test_functions_that_change_the_shape(f: Any, message: str) -> None:
    _refused(f"f {message}", compare_means, f, TWO)
    if "(1,) of" in message:
        second = f"second_derivative {message}"
        _refused(second, compare_means, np.exp, TWO, f)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_lines_that_are_not_finite(value: float) -> None:
    _refused(f"m must be finite, not {value}", Line, value, 0.0)
    _refused(f"b must be finite, not {value}", Line, 0.0, value)


def test_whole_numbers_make_a_line_too() -> None:
    """Here because the run-time check is stricter than a type checker: it refuses int for float."""
    line = Line(1, -2)
    assert (repr(line), type(line.m)) == ("Line(m=1.0, b=-2.0)", float)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_least_squares_of_one_x(dtype: type[np.floating]) -> None:
    message = "x must hold at least two different values, not only 0.5"
    for N in (1, 3):
        x, y = np.full(N, 0.5, dtype), np.arange(N).astype(dtype)
        _refused(message, least_squares, x, y)


@pytest.mark.parametrize("rate", [0, -0.1, np.nan, np.inf, -np.inf])
def test_rates(rate: float) -> None:
    message = f"rate must be a finite number above 0, not {rate}"
    _refused(message, descend, FLAT, TWO, TWO, rate, 1)


@pytest.mark.parametrize("steps", [-1, -100])
def test_steps(steps: int) -> None:
    message = f"steps must be 0 or more, not {steps}"
    _refused(message, descend, FLAT, TWO, TWO, 0.1, steps)


@pytest.mark.parametrize("gradient", [Line.gradient, Line.averaged_gradient])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [1.0, 10.0, 1e300])
def test_a_descent_that_diverges_says_so_without_a_warning(
    gradient: Any, dtype: type[np.floating], rate: float
) -> None:
    x, y = np.array([0, 1, 2, 3], dtype), np.array([-1, 0, 2, 3], dtype)
    with pytest.raises(ValueError, match="rate must let the descent") as caught:
        descend(FLAT, x, y, rate, 10_000, gradient)
    step = int(str(caught.value).split()[-1])
    message = f"rate must let the descent stay finite, but {rate} fails at step {step}"
    assert str(caught.value) == message
    assert len(descend(FLAT, x, y, rate, step - 1, gradient)) == step
    _refused(message, descend, FLAT, x, y, rate, step, gradient)


@pytest.mark.parametrize("infinite", [(np.inf, 0.0), (0.0, np.nan)])
def test_a_gradient_that_is_not_finite(infinite: tuple[float, float]) -> None:
    message = "rate must let the descent stay finite, but 0.1 fails at step 1"
    _refused(message, descend, FLAT, TWO, TWO, 0.1, 1, lambda *_: infinite)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((0, 0, 0), "0, 0 and 0"),
        ((1, 2, 1), "1, 2 and 1"),
        ((2, 1, 1), "2, 1 and 1"),
        ((1, 1, 2), "1, 1 and 2"),
        ((1, 0, 1), "1, 0 and 1"),
        ((0, 1, 1), "0, 1 and 1"),
    ],
)
def test_networks_of_lists_that_differ(lengths: tuple[int, int, int], message: str) -> None:
    W, b, f = lengths
    _refused(
        f"weights, biases and activations must have the same length, at least 1, not {message}",
        MLP,
        [np.ones((1, 1))] * W,
        [ONE] * b,
        [tanh] * f,
    )


W32, W13, W12, B3, B1 = np.ones((3, 2)), np.ones((1, 3)), np.ones((1, 2)), np.ones(3), np.ones(1)
F4 = np.float32


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([W32, W12], [B3, B1], "weights[1] must have shape (outputs, 3), not (1, 2)"),
        ([B3], [B3], "weights[0] must have shape (outputs, inputs), not (3,)"),
        ([W32], [B1], "biases[0] must have shape (3,), not (1,)"),
        ([W32, W13], [B3, B3], "biases[1] must have shape (1,), not (3,)"),
        ([W32], [B3[:, None]], "biases[0] must have shape (3,), not (3, 1)"),
        ([[[1.0]]], [B1], "weights[0] must be a NumPy array of float32 or float64, not list"),
        ([W12], [[1.0]], "biases[0] must be a NumPy array of float32 or float64, not list"),
        ([W12.astype(int)], [B1], "weights[0] must be of dtype float32 or float64, not int64"),
        ([W12], [B1.astype("f2")], "biases[0] must be of dtype float32 or float64, not float16"),
        ([W12], [F4(B1)], "biases[0] must be float64 like weights[0], not float32"),
        ([W32, F4(W13)], [B3, B1], "weights[1] must be float64 like weights[0], not float32"),
        (
            [F4(W32), F4(W13)],
            [F4(B3), B1],
            "biases[1] must be float32 like weights[0], not float64",
        ),
        ([W32[:, :0]], [B3], "weights[0] must not be empty, but its shape is (3, 0)"),
        ([W32, np.nan * W13], [B3, B1], "weights[1] must be finite, but weights[1][0, 0] is nan"),
        ([W32], [np.inf * B3], "biases[0] must be finite, but biases[0][0] is inf"),
    ],
)
def test_networks(weights: Any, biases: Any, message: str) -> None:
    _refused(message, MLP, weights, biases, [tanh] * len(weights))


@pytest.mark.parametrize(("activation", "given"), [(np.tanh, "ufunc"), ("relu", "str")])
def test_activations_of_a_network(activation: Any, given: str) -> None:
    message = f"activations[1] must be an Activation, not {given}"
    _refused(message, MLP, [W32, W13], [B3, B1], [tanh, activation])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0, 2.0]], "x must be a NumPy array of float32 or float64, not list"),
        (X.astype(int), "x must be of dtype float32 or float64, not int64"),
        (X.astype(object), "x must be of dtype float32 or float64, not object"),
        (X.astype(complex), "x must be of dtype float32 or float64, not complex128"),
        (X.astype("f2"), "x must be of dtype float32 or float64, not float16"),
        (X.astype("f4"), "x must be float64 like weights[0], not float32"),
        (X[0], "x must have shape (N, 2), not (2,)"),
        (X.T, "x must have shape (N, 2), not (2, 4)"),
        (X[:, :1], "x must have shape (N, 2), not (4, 1)"),
        (X[None], "x must have shape (N, 2), not (1, 4, 2)"),
        (X[:0], "x must not be empty, but its shape is (0, 2)"),
        (np.array([[0, 1], [2, np.nan]]), "x must be finite, but x[1, 1] is nan"),
    ],
)
def test_inputs_of_a_network(x: Any, message: str) -> None:
    _refused(message, NET, x)
    _refused(message, backprop, NET, x, Y, squared_error)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1.0]] * 4, "y must be a NumPy array of float32 or float64, not list"),
        (Y.astype(int), "y must be of dtype float32 or float64, not int64"),
        (Y.astype("f4"), "y must be float64 like x, not float32"),
        (Y[:, 0], "y must have shape (4, 1), not (4,)"),
        (Y.T, "y must have shape (4, 1), not (1, 4)"),
        (Y[:1], "y must have shape (4, 1), not (1, 1)"),
        (Y[:3], "y must have shape (4, 1), not (3, 1)"),
        (X, "y must have shape (4, 1), not (4, 2)"),
        (np.array(1.0), "y must have shape (4, 1), not ()"),
        (Y * -np.inf, "y must be finite, but y[0, 0] is -inf"),
    ],
)
def test_targets_of_a_network(y: Any, message: str) -> None:
    _refused(message, backprop, NET, X, y, squared_error)


def test_targets_outside_the_domain_of_the_loss() -> None:
    message = "target must lie in [0, 1] for this loss, not 2.0"
    _refused(message, backprop, NET, X, 2 * Y, logistic_loss)
    message = "target rows must sum to 1 for this loss, but row 0 sums to 0.5"
    _refused(message, backprop, NET, X, Y / 2, softmax_cross_entropy)


@pytest.mark.parametrize(
    ("sizes", "given"),
    [
        ((), "()"),
        ((3,), "(3,)"),
        ((3, 0), "(3, 0)"),
        ((0, 1), "(0, 1)"),
        ([2, -1, 2], "(2, -1, 2)"),
    ],
)
def test_sizes(sizes: Any, given: str) -> None:
    message = f"sizes must be two or more numbers of at least 1, not {given}"
    _refused(message, random_mlp, sizes, np.random.default_rng(0))


@pytest.mark.parametrize("dtype", ["float16", "int64", "complex128", "object"])
def test_dtypes_of_a_random_network(dtype: str) -> None:
    message = f"weights[0] must be of dtype float32 or float64, not {dtype}"
    rng = np.random.default_rng(0)
    _refused(message, lambda: random_mlp((2, 1), rng, dtype=dtype))


@pytest.mark.parametrize(
    ("slopes", "given"),
    [("mean_slopes", "'mean_slopes'"), ("at mean", "'at mean'"), ("", "''"), (None, "None")],
)
def test_slopes(slopes: Any, given: str) -> None:
    message = f'slopes must be "at_mean" or "mean", not {given}'
    trace = backprop(NET, X, Y, squared_error)
    _refused(message, averaged_backprop, trace, slopes)


@pytest.mark.parametrize(
    ("trace", "given"),
    [(None, "NoneType"), (NET, "MLP"), ([X, Y], "list"), (np.ones((4, 2)), "ndarray")],
)
def test_what_is_no_trace(trace: Any, given: str) -> None:
    _refused(f"trace must be a Trace, from backprop, not {given}", gap_ledger, trace)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((), "()"),
        ((2,), "(2,)"),
        (("N",), "(N,)"),
        (("N", 3), "(N, 3)"),
        ((2, 3, "d"), "(2, 3, d)"),
        ((1, 3), "(1, 3)"),
        ((2, 1), "(2, 1)"),
    ],
)
def test_the_shape_wanted_is_written_as_numpy_writes_it(
    shape: tuple[int | str, ...], wanted: str
) -> None:
    message = f"v must have shape {wanted}, not (2, 4)"
    _refused(message, check_array, "v", np.ones((2, 4)), shape)


def test_the_check_notices_a_message_that_differs() -> None:
    def refuse(error: type[Exception], message: str) -> None:
        raise error(message)

    said = "m must be finite, not nan at all"
    for wrong in ("m must be finite, not nan", "must be finite, not nan at all"):
        with pytest.raises(AssertionError):
            _refused(wrong, refuse, ValueError, said)
    with pytest.raises(TypeError, match="at all"):
        _refused(said, refuse, TypeError, said)
    for message in ("m must be of dtype a", "m must be an Activation, not a"):
        with pytest.raises(ValueError, match="m must be"):
            _refused(message, refuse, ValueError, message)
