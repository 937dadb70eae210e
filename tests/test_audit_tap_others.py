"""Factors that are not simple: when they are taken instead of simple ones, and what hides them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from test_audit_tap_path import (
    BFLOAT16,
    M,
    accumulated,
    apart,
    handed_by,
    passes,
    routed,
    sketched,
)

from gradexplain.audit.tap.others import Others
from gradexplain.audit.tap.rounding import COARSE
from gradexplain.audit.tap.sketches import Sketches

FLOAT16 = 2.0**-11
Array = npt.NDArray[np.float64]


def noise(share: float, parameters: int, seed: int = 1) -> Array:
    """Return what has this length in each parameter, and looks like no pass."""
    numbers = np.random.default_rng(seed).standard_normal((parameters, M))
    return share * numbers / np.sqrt((numbers**2).sum(1))[:, None]


def others(sketches: Sketches, guesses: Sequence[float] = (1.0,)) -> Others:
    return Others(sketches, guesses, np.arange(len(sketches.added)))


# In arithmetic that tells the factors of many passes


def test_one_pass_has_a_guessed_factor_as_many_have() -> None:
    added = passes(1, 3)
    found = routed(added, added[0] + noise(1e-3, 3), unit=FLOAT16)
    assert found.factors.tolist() == [1]


@pytest.mark.parametrize(
    ("scale", "off", "read"),
    [
        (1.0, 0.001, (1, 1, 1)),  # a guess is right to its rounding, 0.2 %
        (1.0, 0.004, (1, 1.004, 1)),
        (0.3, 0.001, (1, 1.001, 1)),  # what nobody guessed is right where nothing is better
    ],
)
def test_a_small_difference_counts_where_no_factor_was_guessed(
    scale: float, off: float, read: Sequence[float]
) -> None:
    added = passes(3, 4)
    found = routed(added, scale * handed_by(added, 1, 1 + off, 1), unit=FLOAT16)
    assert found.factors / scale == pytest.approx(read, abs=1e-6)


@pytest.mark.parametrize(("numbers", "alike"), [(16, True), (M, False)])
def test_a_difference_that_few_numbers_leave_unsure_does_not_count(
    numbers: int, *, alike: bool
) -> None:
    rng = np.random.default_rng(0)
    added = np.linalg.qr(rng.standard_normal((numbers, 3)))[0].T[:, None]
    found = routed(added, 0.3 * handed_by(added, 1, 1.001, 0.999), unit=FLOAT16)
    assert bool(np.ptp(found.factors) == 0) is alike


@pytest.mark.parametrize(("off", "read"), [(0.001, 1.0), (0.003, 1.003)])
def test_gradients_sent_in_a_coarser_type_hide_what_is_no_larger_than_its_rounding(
    off: float, read: float
) -> None:
    added = passes(3, 4)
    found = routed(added, handed_by(added, 1, 1 + off, 1) + noise(1e-3, 4))
    assert found.factors == pytest.approx([1, read, 1], abs=2e-4)


@pytest.mark.parametrize(("off", "read"), [(0.003, 1.0), (0.008, 1.008)])
def test_one_pass_differs_where_that_leaves_far_less(off: float, read: float) -> None:
    added = passes(3, 4)
    found = routed(added, handed_by(added, 1, 1, 1 + off) + noise(3e-3, 4), unit=FLOAT16)
    assert found.factors == pytest.approx([1, 1, read], abs=5e-4)


@pytest.mark.parametrize(("off", "read"), [(0.001, 1.0), (0.01, 1.01)])
def test_a_factor_as_near_to_the_guess_as_rounding_is_that_guess(off: float, read: float) -> None:
    added = passes(3, 4)
    handed = handed_by(added, 1, 1, 1 + off) + noise(3e-3, 4)
    found = others(sketched(added, handed, unit=FLOAT16)).nearly_simple
    assert found is not None
    assert found.factors[:2].tolist() == [1, 1]
    assert found.factors[2] == pytest.approx(read, abs=0 if read == 1 else 5e-4)


# In coarse arithmetic, where roundings hide most


def test_all_passes_may_be_lost() -> None:
    added = apart(4)
    found = routed(added, 0 * added[0], unit=BFLOAT16)
    assert found.factors.tolist() == [0] * 4
    assert found.hidden == 0


def test_passes_that_were_zeroed_are_sure_to_be_lost() -> None:
    added, factors = apart(16), np.repeat([0.0, 1.0], 8)
    found = routed(added, accumulated(added, factors), unit=BFLOAT16)
    assert found.factors.tolist() == factors.tolist()
    assert found.uncertainty.tolist() == [0] * 16
    assert found.hidden > 0


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_one_pass_is_found_whatever_all_were_divided_by(workers: int) -> None:
    added, factors = apart(128), np.ones(128)
    factors[64] = 0.85
    handed = accumulated(added, factors) / workers
    found = routed(added, handed, (1 / workers,), unit=BFLOAT16)
    assert found.factors[64] * workers == pytest.approx(0.85, abs=0.02)
    assert np.all(np.delete(found.factors, 64) == 1 / workers)


@pytest.mark.parametrize("guesses", [(1.0,), (0.5, 1.0)])
@pytest.mark.parametrize(("factor", "read"), [(0.93, 1.0), (0.85, 0.85)])
def test_a_small_pass_is_found_once_it_stands_out_from_the_roundings(
    factor: float, read: float, guesses: Sequence[float]
) -> None:
    added, factors = apart(64), np.ones(64)
    added[32] *= 0.3
    factors[32] = factor
    found = routed(added, accumulated(added, factors), guesses, unit=BFLOAT16)
    assert found.factors[32] == pytest.approx(read, abs=0.01)
    assert np.all(np.delete(found.factors, 32) == 1)


def test_a_pass_of_one_small_parameter_is_found() -> None:
    added, factors = apart(16), np.ones(16)
    added[8, :5] = 0
    added[:, 5] *= 1e-3
    factors[8] = 0.7
    found = routed(added, accumulated(added, factors), unit=BFLOAT16)
    assert found.factors[8] == pytest.approx(0.7, abs=0.02)
    assert np.all(np.delete(found.factors, 8) == 1)


@pytest.mark.parametrize(("unit", "read"), [(COARSE, 0.925), (FLOAT16, 1.0)])
def test_to_stand_out_is_enough_where_arithmetic_is_coarse(unit: float, read: float) -> None:
    added, factors = passes(64, 4), np.ones(64)
    factors[32] = 0.925
    found = routed(added, handed_by(added, *factors) + noise(0.05, 4), unit=unit)
    assert found.factors[32] == pytest.approx(read, abs=0.01)


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_what_stands_out_is_eight_standard_errors_and_a_fiftieth(factor: float) -> None:
    added = passes(3, 4)
    handed = factor * (added.sum(0) + noise(0.3, 4))
    hidden = others(sketched(added, handed, unit=COARSE)).hidden(np.full(3, factor))
    assert hidden == pytest.approx(8 * 0.3 / (4 * M) ** 0.5 + 0.02, rel=0.05)


@pytest.mark.parametrize("factor", [1.0, 0.25])
@pytest.mark.parametrize(
    ("sizes", "unit", "lost"),
    [
        # Two passes: the second adds 3/4 to one parameter and 1/2 to the other.
        ([(1, 1), (3, 1)], 0.1, 4e-2 * (10 / 9 * 9 / 16 + 2 * 1 / 4) / (9 / 16 + 1 / 4)),
        # The second of three adds 1/62 to both; in one it is lost beside the first.
        ([(30, 1), (1, 1), (31, 60)], 0.02, (1 + 4 * 0.02**2 * 2) / 2),
    ],
)
def test_a_pass_is_lost_where_it_is_small_beside_the_sum_so_far(
    sizes: Sequence[tuple[float, float]], unit: float, lost: float, factor: float
) -> None:
    added = passes(len(sizes), 2) * np.array(sizes)[:, :, None]
    known = others(sketched(added, factor * added.sum(0), unit=unit))
    assert known.hidden(np.full(len(sizes), factor)) == pytest.approx(0.02 + lost)
