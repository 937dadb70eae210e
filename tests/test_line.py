"""The line's gradient, what averaging first loses, where each descent ends, the five sums."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from itertools import pairwise
from math import nextafter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close, assert_each_close
from support.strategies import seeds

from gradexplain import Line, covariance
from gradexplain.arrays import Array
from gradexplain.line import FiveSums, descend, five_sums, least_squares

X, Y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0])
sizes = st.integers(2, 12)
both = pytest.mark.parametrize("gradient", [Line.gradient, Line.averaged_gradient])


def _draw(seed: int, N: int) -> tuple[Line, Array, Array]:
    rng = np.random.default_rng(seed)
    m, b = rng.standard_normal(2)
    x, y = rng.standard_normal((2, N))
    return Line(m, b), x, y


def test_the_sites_line_by_hand() -> None:
    flat = Line(0.0, 0.0)
    assert flat.predict(X).tolist() == [0, 0, 0, 0]
    assert flat.residuals(X, Y).tolist() == [-1, 0, 2, 3]
    assert flat.loss(X, Y) == 3.5
    assert flat.gradient(X, Y) == (-6.5, -2)
    assert flat.averaged_gradient(X, Y) == (-3, -2)
    assert flat.averaging_gap(X, Y) == -3.5
    line = Line(2.0, 1.0)
    assert line.predict(X).tolist() == [1, 3, 5, 7]
    assert line.residuals(X, Y).tolist() == [-2, -3, -3, -4]
    assert line.loss(X, Y) == 9.5
    assert line.gradient(X, Y) == (10.5, 6)
    assert line.averaged_gradient(X, Y) == (9, 6)


@given(seed=seeds, N=sizes)
def test_gradient_is_the_slope_of_the_loss(seed: int, N: int) -> None:
    line, x, y = _draw(seed, N)
    h = 0.5  # J is a parabola in m and in b: its central difference is exact at any step
    dm = (Line(line.m + h, line.b).loss(x, y) - Line(line.m - h, line.b).loss(x, y)) / (2 * h)
    db = (Line(line.m, line.b + h).loss(x, y) - Line(line.m, line.b - h).loss(x, y)) / (2 * h)
    assert_close(line.gradient(x, y), (dm, db), 1e-11)


@given(seed=seeds, N=sizes)
def test_averaging_first_is_exact_for_b_and_loses_the_covariance_for_m(seed: int, N: int) -> None:
    line, x, y = _draw(seed, N)
    dm, db = line.gradient(x, y)
    averaged_dm, averaged_db = line.averaged_gradient(x, y)
    assert averaged_db == db
    r = y - line.m * x - line.b
    size = np.abs(x).max() * np.abs(r).max()
    assert abs(averaged_dm - -2 * x.mean() * r.mean()) <= 1e-14 * size
    assert abs((dm - averaged_dm) - -2 * covariance(x, r)) <= 1e-14 * size
    assert abs(line.averaging_gap(x, y) - (dm - averaged_dm)) <= 1e-14 * size


@given(seed=seeds, N=sizes)
def test_averaging_first_is_right_at_the_least_squares_slope_only(seed: int, N: int) -> None:
    """The gap is 2 Var(x) (m − m_OLS)."""
    line, x, y = _draw(seed, N)
    best = least_squares(x, y).m
    assert_close(line.averaging_gap(x, y), 2 * x.var() * (line.m - best), 1e-9)
    size = np.abs(x).max() * (np.abs(y).max() + abs(best) * np.abs(x).max())
    assert abs(Line(best, line.b).averaging_gap(x, y)) <= 1e-14 * size


@given(seed=seeds)
def test_one_example_may_be_averaged(seed: int) -> None:
    line, x, y = _draw(seed, 1)
    assert line.averaged_gradient(x, y) == line.gradient(x, y)
    assert line.averaging_gap(x, y) == 0


@given(seed=seeds, N=st.integers(3, 12))
def test_least_squares_has_no_slope(seed: int, N: int) -> None:
    _, x, y = _draw(seed, N)
    best = least_squares(x, y)
    assert_close((best.m, best.b), np.polyfit(x, y, 1), 1e-9)
    size = (np.abs(x).max() + 1) * (np.abs(y).max() + abs(best.m) * np.abs(x).max() + abs(best.b))
    assert np.abs(best.gradient(x, y)).max() <= 1e-14 * size


def test_least_squares_of_two_points_is_the_line_through_them() -> None:
    assert least_squares(np.array([1.0, 3.0]), np.array([5.0, 1.0])) == Line(-2.0, 7.0)
    close = np.array([1.0, nextafter(1.0, 2.0)])
    assert np.isfinite(least_squares(close, np.array([0.0, 1.0])).m)


def test_descent_reaches_least_squares() -> None:
    best = least_squares(X, Y)
    assert_close((best.m, best.b), (1.4, -1.1), 1e-15)
    end = descend(Line(0.0, 0.0), X, Y, rate=0.1, steps=1000)[-1]
    assert_close((end.m, end.b), (best.m, best.b))
    assert round(end.loss(X, Y), 3) == 0.050


@given(seed=seeds, N=sizes)
def test_averaged_descent_runs_on_a_rail_to_the_projection_of_its_start(seed: int, N: int) -> None:
    start, x, y = _draw(seed, N)
    center, r = x.mean(), start.residuals(x, y).mean()
    rate = 0.25 / (1 + center**2)  # halves the mean residual at each step
    path = descend(start, x, y, rate, 60, Line.averaged_gradient)
    size = 1 + abs(start.m) + abs(start.b) + abs(r)
    rail = [line.m - center * line.b for line in path]
    assert np.abs(np.array(rail) - rail[0]).max() <= 1e-13 * size
    foot = start.m + center * r / (1 + center**2), start.b + r / (1 + center**2)
    assert np.abs(np.subtract((path[-1].m, path[-1].b), foot)).max() <= 1e-13 * size
    assert abs(path[-1].predict(np.array([center]))[0] - y.mean()) <= 1e-13 * size


def test_averaged_descent_from_the_flat_line_ends_where_the_site_says() -> None:
    end = descend(Line(0.0, 0.0), X, Y, 0.1, 300, Line.averaged_gradient)[-1]
    assert round(end.loss(X, Y), 3) == 1.151
    assert_close((end.m, end.b), (1.5 / 3.25, 1 / 3.25))


@both
def test_a_path_holds_its_start_and_every_step(
    gradient: Callable[[Line, Array, Array], tuple[float, float]],
) -> None:
    start = Line(0.5, -0.5)
    assert descend(start, X, Y, 0.1, 0, gradient) == [start]
    path = descend(start, X, Y, 0.1, 3, gradient)
    assert len(path) == 4
    for here, there in pairwise(path):
        dm, db = gradient(here, X, Y)
        assert there == Line(here.m - 0.1 * dm, here.b - 0.1 * db)


def test_descent_follows_the_true_gradient_unless_told() -> None:
    start = Line(0.0, 0.0)
    assert descend(start, X, Y, 0.1, 3) == descend(start, X, Y, 0.1, 3, Line.gradient)
    assert descend(start, X, Y, 0.1, 3) != descend(start, X, Y, 0.1, 3, Line.averaged_gradient)


@given(seed=seeds, N=sizes)
def test_five_sums_give_the_same_gradient(seed: int, N: int) -> None:
    line, x, y = _draw(seed, N)
    sums = five_sums(x, y)
    assert sums.n == N
    expected = x.sum(), y.sum(), (x * x).sum(), (x * y).sum()
    assert (sums.x, sums.y, sums.xx, sums.xy) == expected
    size = (1 + np.abs(x).max()) * (np.abs(y).max() + abs(line.m) * np.abs(x).max() + abs(line.b))
    assert np.abs(np.subtract(sums.gradient(line), line.gradient(x, y))).max() <= 1e-13 * size


def test_five_sums_by_hand() -> None:
    sums = five_sums(X, Y)
    assert sums == FiveSums(n=4, x=6.0, y=4.0, xx=14.0, xy=13.0)
    assert sums.gradient(Line(2.0, 1.0)) == (10.5, 6)
    assert [type(v) for v in (sums.n, sums.x, sums.y, sums.xx, sums.xy)] == [int] + [float] * 4


def test_a_batch_of_two_is_five_sums_of_one_added() -> None:
    one, two = five_sums(X[:1], Y[:1]), five_sums(X[1:], Y[1:])
    added = FiveSums(*(getattr(one, k) + getattr(two, k) for k in ("n", "x", "y", "xx", "xy")))
    assert added == five_sums(X, Y)


def test_float32_is_kept_in_arrays_and_floats_come_out() -> None:
    x, y = X.astype(np.float32), Y.astype(np.float32)
    line = Line(np.float64(0.1), 0.2)
    assert [type(v) for v in (line.m, line.b)] == [float, float]
    assert line.predict(x).dtype == np.float32
    assert line.residuals(x, y).dtype == np.float32
    numbers = (
        *line.gradient(x, y),
        *line.averaged_gradient(x, y),
        line.loss(x, y),
        line.averaging_gap(x, y),
    )
    assert [type(v) for v in numbers] == [float] * 6
    wide = line.gradient(X, Y)
    assert_each_close(line.gradient(x, y), wide, 1e-6)


def test_a_line_is_a_value_and_changes_nothing() -> None:
    x, y = X.copy(), Y.copy()
    line = Line(1.0, 2.0)
    assert line == Line(1.0, 2.0)
    assert line != Line(2.0, 1.0)
    assert repr(line) == "Line(m=1.0, b=2.0)"
    descend(line, x, y, 0.1, 2)
    five_sums(x, y)
    least_squares(x, y)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    with pytest.raises(FrozenInstanceError):
        line.m = 0.0  # type: ignore[misc]  # that is the point
