"""The ledger: its terms by their definitions, their sum, where they vanish, and the table."""

import re
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close, assert_same_gradient
from support.strategies import Problem, problems

from gradexplain import (
    MLP,
    Gradient,
    Ledger,
    Loss,
    Trace,
    averaged_backprop,
    backprop,
    batch_gradient,
    gap_ledger,
    identity,
    per_example_gradients,
    random_mlp,
    relu,
    signed_error,
    softplus,
    squared_error,
    tanh,
)
from gradexplain.arrays import Array

several = st.integers(2, 6)


def _arrays(gradient: Gradient) -> tuple[Array, ...]:
    return (*gradient.weights, *gradient.biases)


def _norms(arrays: tuple[Array, ...]) -> list[float]:
    return [float(np.linalg.norm(array)) for array in arrays]


def _example_sizes(trace: Trace) -> list[float]:
    """Return, for each array of a gradient, the mean norm of one example's own."""
    each = per_example_gradients(trace)
    return [float(np.mean([np.linalg.norm(one) for one in array])) for array in _arrays(each)]


def _columns(ledger: Ledger) -> Iterator[tuple[Array, list[Array]]]:
    """Yield, for each array of a gradient, its gap and its terms."""
    terms = [_arrays(term) for term in ledger.terms.values()]
    for i, gap in enumerate(_arrays(ledger.gap)):
        yield gap, [term[i] for term in terms]


def _unbalanced(ledger: Ledger, trace: Trace, tolerance: float = 1e-12) -> list[int]:
    """Number the arrays whose terms do not sum to the gap.

    The gap is a difference, so the rounding of the two gradients is in it, even where the terms are
    zero: hence one example's gradient beside the terms.
    """
    wrong = []
    for i, ((gap, terms), size) in enumerate(
        zip(_columns(ledger), _example_sizes(trace), strict=True)
    ):
        error = np.linalg.norm(sum(terms) - gap)
        if not error <= tolerance * (sum(_norms(tuple(terms))) + size):
            wrong.append(i)
    return wrong


# The sum


@given(problems())
def test_the_terms_sum_to_the_gap(p: Problem) -> None:
    assert _unbalanced(gap_ledger(p.trace()), p.trace()) == []


@given(problems(batch_sizes=several))
def test_the_error_is_small_beside_the_terms_alone_unless_they_are_small_themselves(
    p: Problem,
) -> None:
    trace = p.trace()
    for (gap, terms), size in zip(_columns(gap_ledger(trace)), _example_sizes(trace), strict=True):
        norms = sum(_norms(tuple(terms)))
        if norms > size / 10:
            assert np.linalg.norm(sum(terms) - gap) <= 1e-12 * norms


@given(problems())
def test_the_gap_is_that_of_the_two_gradients(p: Problem) -> None:
    ledger, true, averaged = gap_ledger(p.trace()), batch_gradient(p.trace()), _shortcut(p)
    assert_same_gradient(ledger.true, true, 0)
    assert_same_gradient(ledger.averaged, averaged, 0)
    for gap, right, wrong in zip(
        _arrays(ledger.gap), _arrays(true), _arrays(averaged), strict=True
    ):
        assert np.array_equal(gap, right - wrong)


def _shortcut(p: Problem) -> Gradient:
    return averaged_backprop(p.trace(), slopes="at_mean")


def test_twelve_layers_balance_too() -> None:
    rng = np.random.default_rng(0)
    net = random_mlp((5,) * 13, rng)
    trace = backprop(net, rng.standard_normal((20, 5)), rng.standard_normal((20, 5)), squared_error)
    ledger = gap_ledger(trace)
    assert len(ledger.terms) == 1 + 2 * 11
    assert all(all(_norms(tuple(terms)[:1])) for _, terms in list(_columns(ledger))[:12])
    assert _unbalanced(ledger, trace) == []


def _change(gradient: Gradient, layer: int, change: Callable[[Array], Array]) -> Gradient:
    weights = [*gradient.weights]
    weights[layer] = change(weights[layer])
    return replace(gradient, weights=tuple(weights))


@pytest.mark.parametrize("name", ["covariance", "gate 1", "curvature 1", "gate 2", "curvature 2"])
@pytest.mark.parametrize("change", [np.transpose, lambda term: term * (1 + 1e-9)])
def test_a_wrong_term_is_noticed(name: str, change: Callable[[Array], Array]) -> None:
    rng = np.random.default_rng(0)
    net = random_mlp((3, 3, 3, 2), rng)
    trace = backprop(net, rng.standard_normal((6, 3)), rng.standard_normal((6, 2)), squared_error)
    ledger = gap_ledger(trace)
    planted = _change(ledger.terms[name], 0, change)
    wrong = replace(ledger, terms={**ledger.terms, name: planted})
    assert _unbalanced(ledger, trace) == []
    assert _unbalanced(wrong, trace) == [0]


# Each term by its definition


def _mean(rows: Array) -> Array:
    return np.array([sum(column) / len(rows) for column in rows.T])


def _by_definition(trace: Trace) -> dict[str, Gradient]:
    """Return the terms once more: moments as E[uv] − E[u] E[v], the way down as a matrix."""
    net, depth = trace.net, len(trace.z)
    zero = [np.zeros_like(b) for b in net.biases]
    inputs = [_mean(a) for a in trace.a[:-1]]
    second = [
        np.mean([np.outer(d, a) for d, a in zip(trace.delta[l], trace.a[l], strict=True)], axis=0)
        for l in range(depth)
    ]
    covariance = [second[l] - np.outer(_mean(trace.delta[l]), inputs[l]) for l in range(depth)]
    terms = {"covariance": Gradient(tuple(covariance), tuple(zero))}
    shortcut = averaged_backprop(trace).biases
    slopes = [f.derivative(z) for f, z in zip(net.activations, trace.z, strict=True)]
    for k in range(depth - 1):
        f, W = net.activations[k], net.weights[k + 1]
        arriving = np.array([W.T @ delta for delta in trace.delta[k + 1]])
        gate = _mean(arriving * slopes[k]) - _mean(arriving) * _mean(slopes[k])
        lost = _mean(slopes[k]) - f.derivative(_mean(trace.z[k]))
        for kind, born in [("gate", gate), ("curvature", (W.T @ shortcut[k + 1]) * lost)]:
            errors, down = [*zero], np.eye(len(born))
            for l in range(k, -1, -1):
                errors[l] = down @ born
                if l > 0:
                    down = np.diag(_mean(slopes[l - 1])) @ net.weights[l].T @ down
            weights = tuple(np.outer(e, a) for e, a in zip(errors, inputs, strict=True))
            terms[f"{kind} {k + 1}"] = Gradient(weights, tuple(errors))
    return terms


@given(problems(batch_sizes=several))
def test_every_term_is_what_it_is_called(p: Problem) -> None:
    trace = p.trace()
    terms, expected = gap_ledger(trace).terms, _by_definition(trace)
    assert terms.keys() == expected.keys()
    sizes = _example_sizes(trace)
    for name, term in terms.items():
        for array, right, size in zip(_arrays(term), _arrays(expected[name]), sizes, strict=True):
            assert array.shape == right.shape
            # E[uv] − E[u] E[v] cancels: its rounding is that of what it is the difference of.
            assert np.linalg.norm(array - right) <= 1e-11 * (np.linalg.norm(right) + size), name


@given(problems(batch_sizes=several))
def test_the_errors_add_up_to_that_of_the_averaged_delta(p: Problem) -> None:
    """A bias meets no input, so its gap is e, the mean delta less the shortcut's."""
    trace, ledger = p.trace(), gap_ledger(p.trace())
    for l, delta in enumerate(trace.delta):
        e = sum(term.biases[l] for term in ledger.terms.values())
        wanted = delta.mean(axis=0) - averaged_backprop(trace).biases[l]
        size = np.abs(delta).mean() + sum(np.abs(t.biases[l]).max() for t in ledger.terms.values())
        assert np.abs(e - wanted).max() <= 1e-12 * size


def test_the_names_follow_backprop_down() -> None:
    rng = np.random.default_rng(0)
    for depth in (1, 2, 4):
        net = random_mlp((2,) * (depth + 1), rng)
        ledger = gap_ledger(backprop(net, np.ones((1, 2)), np.ones((1, 2)), squared_error))
        below = [f"{kind} {k}" for k in range(depth - 1, 0, -1) for kind in ("gate", "curvature")]
        assert list(ledger.terms) == ["covariance", *below]


@given(problems(batch_sizes=several))
def test_a_term_reaches_the_layer_where_it_is_born_and_those_below(p: Problem) -> None:
    for name, term in gap_ledger(p.trace()).terms.items():
        if name == "covariance":
            assert not any(b.any() for b in term.biases)
        else:
            born = int(name.split()[1])
            assert not any(W.any() for W in term.weights[born:])
            assert not any(b.any() for b in term.biases[born:])


def test_by_hand() -> None:
    """The net ŷ = relu(x) with x = −1, 3 and deltas 2, 4; the slopes are 0 and 1, at the mean 1."""
    one, none = np.ones((1, 1)), np.zeros(1)
    net = MLP([one, one], [none, none], [relu, identity])
    x = np.array([[-1.0], [3.0]])
    trace = backprop(net, x, net(x) - np.array([[1.0], [2.0]]), squared_error)
    ledger = gap_ledger(trace)
    assert [[W.item() for W in term.weights] for term in ledger.terms.values()] == [
        [4, 1.5],  # Cov((0, 4), (−1, 3)) and Cov((2, 4), (0, 3))
        [0.5, 0],  # Cov((2, 4), (0, 1)), times the mean input 1
        [-1.5, 0],  # the mean delta 3, times ½ − 1
    ]
    assert [[b.item() for b in term.biases] for term in ledger.terms.values()] == [
        [0, 0],
        [0.5, 0],
        [-1.5, 0],
    ]
    assert [W.item() for W in ledger.true.weights] == [6, 6]
    assert [W.item() for W in ledger.averaged.weights] == [3, 4.5]
    assert [W.item() for W in ledger.gap.weights] == [3, 1.5]


def _exact_covariance(u: Array, v: Array) -> float:
    a, b = ([Fraction(float(number)) for number in numbers] for numbers in (u, v))
    products = [one * other for one, other in zip(a, b, strict=True)]
    return float(sum(products) / len(a) - sum(a) / len(a) * (sum(b) / len(b)))


def test_far_from_zero_the_covariances_keep_their_digits() -> None:
    """Inputs and deltas of different units lie a hundred million to either side."""
    rng, far = np.random.default_rng(0), 1e8 * np.array([1.0, -1.0])
    none = np.zeros(2)
    net = MLP([1e-8 * np.eye(2), np.eye(2)], [none, none], [softplus, identity])
    x = far + rng.standard_normal((6, 2))
    trace = backprop(net, x, far + rng.standard_normal((6, 2)), squared_error)
    terms = gap_ledger(trace).terms
    for i, delta in enumerate(trace.delta[1].T):
        gate = _exact_covariance(delta, softplus.derivative(trace.z[0])[:, i])
        assert_close(terms["gate 1"].biases[0][i], gate, 1e-7)
    for i, delta in enumerate(trace.delta[0].T):
        for j, column in enumerate(x.T):
            exact = _exact_covariance(delta, column)
            assert_close(terms["covariance"].weights[0][i, j], exact, 1e-7)


# Where terms vanish


def _not_zero(ledger: Ledger) -> set[str]:
    return {name for name, term in ledger.terms.items() if any(a.any() for a in _arrays(term))}


def _beyond_rounding(ledger: Ledger, trace: Trace) -> set[str]:
    sizes = _example_sizes(trace)
    return {
        name
        for name, term in ledger.terms.items()
        for norm, size in zip(_norms(_arrays(term)), sizes, strict=True)
        if norm > 1e-12 * size
    }


@given(problems(batch_sizes=st.just(1)))
def test_one_example_has_an_empty_ledger(p: Problem) -> None:
    assert _not_zero(gap_ledger(p.trace())) == set()


@given(p=problems(batch_sizes=st.just(1)), N=several)
def test_examples_all_alike_have_an_empty_ledger_to_rounding(p: Problem, N: int) -> None:
    alike = replace(p, x=np.repeat(p.x, N, axis=0), y=np.repeat(p.y, N, axis=0)).trace()
    assert _beyond_rounding(gap_ledger(alike), alike) == set()


@given(p=problems(batch_sizes=several))
def test_inputs_all_alike_do_too_though_targets_differ(p: Problem) -> None:
    trace = replace(p, x=np.repeat(p.x[:1], len(p.x), axis=0)).trace()
    assert _beyond_rounding(gap_ledger(trace), trace) == set()


@given(problems())
def test_the_last_bias_owes_nothing(p: Problem) -> None:
    ledger = gap_ledger(p.trace())
    assert not ledger.gap.biases[-1].any()
    assert not any(term.biases[-1].any() for term in ledger.terms.values())


@given(problems(activations=(identity,), batch_sizes=several, losses=(squared_error,)))
def test_a_linear_net_owes_covariances_only(p: Problem) -> None:
    assert _not_zero(gap_ledger(p.trace())) == {"covariance"}


@given(problems(activations=(identity,), losses=(signed_error,)))
def test_and_not_even_those_if_the_loss_has_one_slope_for_all(p: Problem) -> None:
    assert _beyond_rounding(gap_ledger(p.trace()), p.trace()) == set()


def test_a_loss_linear_in_the_output_is_not_enough() -> None:
    """The loss −y ŷ leaves Cov(−y, x)."""
    product = Loss("product", lambda o, t: -(t * o).sum(axis=1), lambda _, t: -t, lambda _: None)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    trace = backprop(random_mlp((3, 2), rng), x, y, product)
    expected = -np.cov(y.T, x.T, bias=True)[:2, 2:]
    assert_close(gap_ledger(trace).terms["covariance"].weights[0], expected)


def test_the_checks_for_zero_notice_what_is_not() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    trace = backprop(random_mlp((2, 3, 2), rng), x, y, squared_error)
    everything = {"covariance", "gate 1", "curvature 1"}
    assert _not_zero(gap_ledger(trace)) == everything
    assert _beyond_rounding(gap_ledger(trace), trace) == everything


# The table


def _table(net: MLP, x: Array, y: Array, loss: Loss = squared_error) -> str:
    return str(gap_ledger(backprop(net, x, y, loss)))


def test_the_table_of_two_layers() -> None:
    """The numbers of `test_by_hand`."""
    one, none = np.ones((1, 1)), np.zeros(1)
    net = MLP([one, one], [none, none], [relu, identity])
    x = np.array([[-1.0], [3.0]])
    assert _table(net, x, net(x) - np.array([[1.0], [2.0]])).splitlines() == [
        "layer 2      weights share  biases share",
        "averaged        4.50          3.00",
        "covariance      1.50 +100%       0",
        "gap             1.50 +100%       0",
        "true            6.00          3.00",
        "gap / true       25%            0%",
        "layer 1      weights share  biases share",
        "averaged        3.00          3.00",
        "covariance      4.00 +133%       0",
        "gate 1         0.500  +17%   0.500  -50%",
        "curvature 1     1.50  -50%    1.50 +150%",
        "gap             3.00 +100%    1.00 +100%",
        "true            6.00          2.00",
        "gap / true       50%           50%",
        "weights, biases: norms, which do not add",
        "share: signed, along the gap, which adds",
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_printed_as_zero_and_has_no_share(dtype: type[np.floating]) -> None:
    net = random_mlp((3, 4, 4, 2), np.random.default_rng(0), dtype=dtype)
    x, y = np.full((7, 3), 0.3, dtype), np.full((7, 2), 0.7, dtype)
    ledger = gap_ledger(backprop(net, x, y, squared_error))
    assert any(gap.any() for gap in _arrays(ledger.gap))
    nothing = re.compile(r"(covariance|(gate|curvature) [12]|gap) +0 +0|gap / true +0% +0%")
    rows = [line for line in str(ledger).splitlines() if nothing.fullmatch(line)]
    assert len(rows) == 3 * 3 + 2 + 4
    assert not nothing.fullmatch("gap             1.50 +100%       0")


def test_a_gradient_that_is_zero_is_no_divisor() -> None:
    """A hidden ReLU that is never on: nothing arrives below, and the last weights learn nothing."""
    one = np.ones((1, 1))
    net = MLP([one, one], [np.full(1, -9.0), np.zeros(1)], [relu, identity])
    table = _table(net, np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]))
    assert table.splitlines()[:-2] == [
        "layer 2      weights share  biases share",
        "averaged           0          3.00",
        "covariance         0             0",
        "gap                0             0",
        "true               0          3.00",
        "gap / true                      0%",
        "layer 1      weights share  biases share",
        "averaged           0             0",
        "covariance         0             0",
        "gate 1             0             0",
        "curvature 1        0             0",
        "gap                0             0",
        "true               0             0",
        "gap / true",
    ]


def test_a_gap_beside_a_true_gradient_of_zero_is_printed_without_a_ratio() -> None:
    net = MLP([np.zeros((1, 1))], [np.zeros(1)], [identity])
    x, y = np.array([[1.0], [3.0]]), np.array([[-3.0], [1.0]])
    assert _table(net, x, y).splitlines()[:-2] == [
        "layer 1     weights share  biases share",
        "averaged       4.00          2.00",
        "covariance     4.00 +100%       0",
        "gap            4.00 +100%       0",
        "true              0          2.00",
        "gap / true                     0%",
    ]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_share_below_half_a_percent_has_no_sign(sign: float) -> None:
    large, small = (
        Gradient((np.array([[v, 1.0]]),), (np.array([v]),)) for v in (900.0, sign * 4.4)
    )
    rows = str(Ledger(large, large, large, {"covariance": small})).splitlines()
    assert rows[2] == "covariance     4.51    0%    4.40    0%"


def test_what_is_no_number_is_not_printed_as_zero() -> None:
    rng = np.random.default_rng(0)
    trace = backprop(random_mlp((2, 1), rng), np.ones((2, 2)), np.ones((2, 1)), squared_error)
    lost = replace(trace, delta=(np.full((2, 1), np.nan),))
    assert str(gap_ledger(lost)).splitlines()[:-2] == [
        "layer 1     weights share  biases share",
        "averaged        nan           nan",
        "covariance      nan +nan%       0",
        "gap             nan +nan%     nan +nan%",
        "true            nan           nan",
        "gap / true     nan%          nan%",
    ]


def test_a_wide_table_keeps_to_its_columns_and_to_80_characters() -> None:
    rng = np.random.default_rng(0)
    net = random_mlp((5,) * 13, rng, tanh)
    table = _table(net, rng.standard_normal((9, 5)), 1e6 * rng.standard_normal((9, 5)))
    *rows, _, _ = table.splitlines()
    assert len(rows) == sum(1 + 2 + 2 + 2 * k + 2 - 1 for k in range(12))
    assert max(len(row) for row in rows) <= 80
    ends = {match.end() for row in rows for match in re.finditer(r"\S+(?= |$)", row[14:])}
    assert len(ends) == 4


# What goes in and comes out


@given(problems(dtypes=(np.float32,)))
def test_float32_in_float32_out(p: Problem) -> None:
    ledger = gap_ledger(p.trace())
    parts = (ledger.true, ledger.averaged, ledger.gap, *ledger.terms.values())
    assert {array.dtype for part in parts for array in _arrays(part)} == {np.dtype(np.float32)}
    assert _unbalanced(ledger, p.trace(), 1e-3) == []


@given(problems())
def test_nothing_is_changed_or_shared(p: Problem) -> None:
    trace = p.trace()
    arrays = (trace.losses, *trace.a, *trace.z, *trace.delta, *p.net.weights, *p.net.biases)
    kept = [array.copy() for array in arrays]
    ledger = gap_ledger(trace)
    parts = [_arrays(part) for part in (ledger.true, ledger.gap, *ledger.terms.values())]
    for part in parts:
        before = [[array.copy() for array in other] for other in parts if other is not part]
        for array in part:
            np.add(array, 7, out=array)
        others = [other for other in parts if other is not part]
        for other, copies in zip(others, before, strict=True):
            assert all(map(np.array_equal, other, copies))
    assert all(map(np.array_equal, arrays, kept))


def test_a_ledger_is_read_only() -> None:
    trace = backprop(
        random_mlp((1, 1), np.random.default_rng(0)),
        np.ones((1, 1)),
        np.ones((1, 1)),
        squared_error,
    )
    ledger = gap_ledger(trace)
    for name in ("true", "averaged", "gap", "terms"):
        with pytest.raises(FrozenInstanceError):
            setattr(ledger, name, ledger.gap)
    with pytest.raises(TypeError):
        ledger.terms["luck"] = ledger.gap  # type: ignore[index]  # that is the point
