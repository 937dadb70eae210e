"""Weights and their uncertainty: what fits, what cancels, and what is left of some of them."""

import numpy as np
import pytest

from gradexplain.audit.judge.weights import Weights, directly_read

VALUES = np.array([0.2, -0.3, 0.5])


def weights_of(
    values: object = VALUES,
    absolute: object = (0.01, 0.02, 0.03),
    relative: float = 0.1,
    metric: object = None,
    **more: float,
) -> Weights:
    values = np.array(values, float)
    matrix = np.eye(len(values)) if metric is None else np.array(metric, float)
    return Weights(values, np.array(absolute, float), relative, matrix, **more)


def test_uncertainty_is_absolute_and_in_proportion_to_the_weight() -> None:
    assert weights_of().uncertainty(np.array([1.0, -2.0, 0.0])) == pytest.approx([0.11, 0.22, 0.03])
    assert weights_of(absolute=[0, np.inf, 0]).uncertainty(VALUES)[1] == np.inf


def test_the_size_of_a_weighting_is_measured_by_the_metric() -> None:
    metric = np.array([[4.0, 1.0], [1.0, 2.0]])
    read = weights_of([1, 1], [0, 0], metric=metric)
    assert read.size(np.array([1.0, -2.0])) == pytest.approx((4 - 4 + 8) ** 0.5)
    skewed = weights_of([1, 1], [0, 0], metric=[[1, -1.1], [-1.1, 1]])
    assert skewed.size(np.array([1.0, 1.0])) == 0.0


@pytest.mark.parametrize(
    ("off", "loosely", "sharply"),
    [
        ([0, 0, 0], True, True),
        ([0.9, 0, 0], True, False),
        ([0, 0, 0.02], True, True),
        ([0, 0, 0.2], True, False),
        ([1.01, 0, 0], False, False),
        ([0.8, 0.8, 0], False, False),
    ],
)
def test_weights_fit_loosely_together_and_sharply_one_by_one(
    off: list[float], *, loosely: bool, sharply: bool
) -> None:
    weights = VALUES - np.array(off)
    read = weights_of(absolute=[1e-3] * 3, relative=0.1)
    assert read.fits(weights, sharply=False) is loosely
    assert read.fits(weights) is sharply


def test_weights_that_are_off_by_one_exactly_still_fit() -> None:
    read = weights_of([1.0, 0.0], [1.0, 0.0], relative=0.0)
    assert read.fits(np.zeros(2))


def test_a_weighting_cancels_where_rounding_could_have_left_what_is_left() -> None:
    parallel = [[1.0, 1.0], [1.0, 1.0]]
    read = weights_of([1, 1], [0, 0], relative=0.01, metric=parallel)
    assert read.cancels(np.array([1.0, -1.0]))
    assert read.cancels(np.array([1.0, -0.99]))
    assert not read.cancels(np.array([1.0, -0.9]))
    assert not read.cancels(np.array([1.0, 1.0]))
    longer = weights_of([1, 1], [0, 0], relative=0.01, metric=[[1.0, 3.0], [3.0, 9.0]])
    assert longer.cancels(np.array([3.0, -1.0]))
    assert not longer.cancels(np.array([1.0, -1.0]))


def test_a_factor_brings_a_weighting_closest_and_is_as_uncertain_as_rounding_makes_it() -> None:
    read = weights_of([2.0, 4.0], [0, 0], relative=0.05, metric=np.diag([1.0, 3.0]), noise=0.3)
    factor, uncertainty = read.factor(np.array([1.0, 1.0]))
    assert factor == pytest.approx((2 + 12) / 4)
    assert uncertainty == pytest.approx(0.05 * 3.5 + 0.3 / 2)
    factor, uncertainty = read.factor(np.array([-1.0, -1.0]))
    assert [factor, uncertainty] == pytest.approx([-3.5, 0.05 * 3.5 + 0.3 / 2])


def test_a_weighting_that_cancels_has_no_factor() -> None:
    read = weights_of([1, 1], [0, 0], metric=[[1, 1], [1, 1]])
    assert read.factor(np.array([1.0, -1.0])) == (0.0, np.inf)


def test_weights_are_unread_where_they_are_uncertain_by_a_quarter() -> None:
    read = weights_of([1, 1, 1], [0.49, 0.5, 0.51], level=2.0)
    assert read.unread(np.ones(3)).tolist() == [False, True, True]
    # A weight that should be zero, or is negative, is measured by an even share.
    small = weights_of([1, 1, 1], [0.16, 0.17, 0.17], level=2.0)
    assert small.unread(np.array([0.0, 0.0, -1.0])).tolist() == [False, True, True]
    assert not weights_of([1], [0.2]).unread(np.zeros(1))[0]


def test_the_deviation_is_that_of_the_weight_that_is_furthest_off() -> None:
    read = weights_of([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], relative=0.1)
    assert read.deviation(np.array([1.0, 1.0, 3.0])) == pytest.approx(1 / 0.2)
    assert read.deviation(np.array([1.0, 2.0, 4.0])) == pytest.approx(1 / 0.5)
    assert read.deviation(np.array([1.0, 2.0, 3.0])) == 0
    unread = weights_of([1.0, 2.0], [np.inf, 0.1], relative=0.0)
    assert unread.deviation(np.array([9.0, 2.2])) == pytest.approx(2)
    certain = weights_of([1.0, 2.0], [0.0, 0.1], relative=0.0)
    assert certain.deviation(np.array([0.0, 2.1])) == pytest.approx(1)


# Some of the weights


def test_all_of_the_weights_are_the_weights() -> None:
    read = weights_of()
    assert read.only(np.arange(3)) is read


def test_some_of_the_weights_keep_their_uncertainty_and_their_order() -> None:
    read = weights_of(metric=np.diag([1.0, 2.0, 3.0]), noise=0.4, level=5.0)
    some = read.only(np.array([2, 0]))
    assert some.values.tolist() == [0.5, 0.2]
    assert some.absolute.tolist() == [0.03, 0.01]
    assert (some.relative, some.noise, some.level) == (read.relative, 0.4, 5.0)
    assert some.metric.tolist() == [[3, 0], [0, 1]]


def test_some_of_the_weights_are_off_by_no_less_than_the_best_of_the_others_leaves() -> None:
    """The metric of some is that of all, minimized over the others."""
    root = np.random.default_rng(0).standard_normal((6, 4))
    read = weights_of(np.zeros(4), np.zeros(4), metric=root.T @ root)
    off, rows, rest = np.array([0.7, -0.4]), [1, 3], [0, 2]
    free = np.linalg.lstsq(root[:, rest], -root[:, rows] @ off)[0]
    left = np.linalg.norm(root[:, rows] @ off + root[:, rest] @ free)
    assert read.only(np.array(rows)).size(off) == pytest.approx(left)


def test_parts_that_others_could_stand_in_for_are_not_read_without_them() -> None:
    twins = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    read = weights_of(metric=twins)
    assert read.only(np.array([0, 2])).metric == pytest.approx(np.diag([0.0, 1.0]))


# Weights that were read where the loss hands them out


def test_weights_read_directly_are_known_to_the_rounding_of_their_type() -> None:
    values = np.array([0.1, 0.5, 0.4])
    read = directly_read(values, 2.0**-11, np.zeros(3, bool))
    assert read.values is values
    assert read.relative == pytest.approx(6 * 2**-11)
    assert read.absolute == pytest.approx(1e-12 / 3)
    unit = read.relative / 3 * 3**0.5
    assert read.metric == pytest.approx(np.eye(3) / unit**2)
    assert read.fits(values)
    assert read.fits(values + 0.99 * unit * np.eye(3)[0], sharply=False)
    assert not read.fits(values + 1.01 * unit * np.eye(3)[0], sharply=False)
    assert (read.noise, read.level) == (0.0, 1.0)


def test_weights_read_directly_are_never_finer_than_single_precision() -> None:
    assert directly_read(np.ones(2), 2.0**-53, np.zeros(2, bool)).relative == 1e-7


def test_weights_that_could_not_be_read_leave_no_trace() -> None:
    read = directly_read(np.array([-0.5, 99.0, 0.5]), 2.0**-24, np.array([False, True, False]))
    assert read.absolute[1] == np.inf
    assert read.absolute[[0, 2]] == pytest.approx(0.5e-12)
    assert read.metric[1].tolist() == read.metric[:, 1].tolist() == [0, 0, 0]
    nothing = directly_read(np.zeros(2), 2.0**-24, np.ones(2, bool))
    assert not nothing.metric.any()
    assert np.isinf(nothing.absolute).all()


def test_weights_of_zero_are_read_directly() -> None:
    read = directly_read(np.zeros(2), 2.0**-24, np.zeros(2, bool))
    assert read.metric.tolist() == [[1, 0], [0, 1]]
