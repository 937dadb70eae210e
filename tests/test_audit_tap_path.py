"""By which factor each pass reached the optimizer, how sure that is, and what it leaves over."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradexplain.audit.tap.fitted import Route
from gradexplain.audit.tap.path import route
from gradexplain.audit.tap.rounding import allowed_by
from gradexplain.audit.tap.sketches import FLOOR, Sketches

UNIT = 2.0**-24
COARSE = 2.0**-8
M = 131
Array = npt.NDArray[np.float64]


def passes(number: int, parameters: int, seed: int = 0) -> Array:
    """Return what each pass added to each parameter: vectors of length 1, at right angles."""
    rng = np.random.default_rng(seed)
    each = [np.linalg.qr(rng.standard_normal((M, number)))[0].T for _ in range(parameters)]
    return np.stack(each, axis=1)


def sketched(added: Array, handed: Array, **known: Any) -> Sketches:
    names = tuple("abcdefghij"[: added.shape[1]])
    held = known.pop("held", np.zeros_like(handed))
    return Sketches(names, added, held, handed, known.pop("unit", UNIT))


def routed(added: Array, handed: Array, guesses: Sequence[float] = (1.0,), **known: Any) -> Route:
    return route(sketched(added, handed, **known), guesses, COARSE)


def handed_by(added: Array, *factors: float) -> Array:
    return np.tensordot(factors, added, 1)


def test_some_parameters_keep_their_names_and_numbers() -> None:
    added = passes(2, 3)
    whole = sketched(added, added[0], held=added[1], unit=0.5)
    some = whole.only(np.array([True, False, True]))
    assert (some.names, some.unit) == (("a", "c"), 0.5)
    assert np.array_equal(some.added, added[:, [0, 2]])
    assert np.array_equal(some.handed, added[0][[0, 2]])
    assert np.array_equal(some.held, added[1][[0, 2]])


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.3, -2.0])
def test_one_factor_for_all_passes_is_read(factor: float) -> None:
    added = passes(3, 4)
    found = routed(added, factor * added.sum(0), (0.5, 1.0))
    assert found.factors == pytest.approx([factor] * 3)
    allowed = 2 * UNIT * 2 + 2e-6
    assert found.tolerance == pytest.approx(allowed)
    guessed = factor in {0.5, 1.0}
    assert found.uncertainty == pytest.approx([0 if guessed else abs(factor) * allowed] * 3)
    assert (found.held, found.strays) == (0, ())
    assert found.remainder < 1e-12


def test_gradients_zeroed_before_a_turn_lose_the_passes_of_each_worker_before_it() -> None:
    added = passes(4, 3)
    turns = 0, 1, 0, 1
    handed = handed_by(added, 0, 0.4, 0, 0.4)
    found = route(sketched(added, handed), (0.5,), COARSE, turns)
    assert found.factors == pytest.approx([0, 0.4, 0, 0.4])
    assert found.factors[[0, 2]].tolist() == [0, 0]
    assert found.uncertainty[[0, 2]].tolist() == [0, 0]
    assert (found.uncertainty[[1, 3]] > 0).all()


@pytest.mark.parametrize(("noise", "tolerance"), [(0.2, 2 * UNIT * 3**0.5 + 2e-6), (2e3, COARSE)])
def test_a_simple_factor_may_leave_what_half_precision_does(noise: float, tolerance: float) -> None:
    added = passes(2, 3)
    rng = np.random.default_rng(1)
    handed = added.sum(0) + noise * 1e-6 * rng.standard_normal((3, M)) / M**0.5
    found = routed(added, handed)
    assert found.factors.tolist() == [1, 1]
    assert found.tolerance == pytest.approx(tolerance)
    assert 0.3 * noise * 1e-6 < found.remainder < noise * 1e-6


def test_what_is_left_over_is_a_share_of_all_that_went_in() -> None:
    added = np.stack([passes(2, 1)[0], -0.999 * passes(2, 1)[0]])  # cancel, all but a thousandth
    handed = added.sum(0) + 1e-6 * passes(2, 1)[1]
    found = routed(added, handed)
    assert found.factors.tolist() == [1, 1]
    assert found.remainder == pytest.approx(1e-6 / 1.999)


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_factors_that_differ_are_solved_one_by_one(scale: float) -> None:
    added = passes(3, 4)
    added[1] *= scale
    found = routed(added, handed_by(added, 0.25, 0.5, 0.75))
    assert found.factors == pytest.approx([0.25, 0.5, 0.75], abs=1e-6)
    assert np.isfinite(found.uncertainty).all()
    assert found.remainder < 1e-6


def test_a_small_parameter_tells_passes_apart_that_are_alike_in_the_others() -> None:
    added = passes(3, 3)
    added[1, :2] = added[0, :2]
    added[:, 2] *= 1e-7
    held = np.zeros((3, M))
    for times in (0.0, 5.0):
        held[2] = times * passes(4, 3)[3, 2] * 1e-7
        found = routed(added, handed_by(added, 0.25, 0.5, 0.75), held=held)
        assert found.factors == pytest.approx([0.25, 0.5, 0.75], abs=1e-6)


def test_passes_that_are_alike_stay_near_each_other_and_unsure() -> None:
    added = passes(3, 4)
    added[1] = added[0]
    found = routed(added, handed_by(added, 0.25, 0.5, 3))
    assert found.factors == pytest.approx([0.375, 0.375, 3], abs=1e-6)
    assert np.isinf(found.uncertainty).tolist() == [True, True, False]


def test_a_pass_that_added_nothing_gets_the_common_factor_of_all_parameters_alike() -> None:
    added = passes(3, 4)
    added[1] = 0
    added[0, :3] *= 3
    added[:, 3] *= 100
    found = routed(added, handed_by(added, 0.5, 1, 0.25))
    common = (3 * (9 * 0.5 + 0.25) / 16 + (0.5 + 0.25) / 4) / (3 * (9 + 1) / 16 + (1 + 1) / 4)
    assert found.factors == pytest.approx([0.5, common, 0.25], abs=1e-6)
    assert np.isinf(found.uncertainty).tolist() == [False, True, False]


def test_one_parameter_has_a_common_factor_too() -> None:
    added = passes(3, 1)
    found = routed(added, 0.3 * added.sum(0))
    assert found.factors == pytest.approx([0.3] * 3)
    assert found.uncertainty == pytest.approx([0.3 * found.tolerance] * 3)


def test_factors_near_a_simple_one_are_that_one() -> None:
    added = passes(3, 4)
    rng = np.random.default_rng(2)
    handed = handed_by(added, 0.7, 1, 0)
    handed += 1e-3 * rng.standard_normal(handed.shape) / M**0.5
    found = routed(added, handed, unit=2.0**-11)
    assert found.factors[1:].tolist() == [1, 0]
    assert found.factors[0] == pytest.approx(0.7, abs=1e-3)


def test_factors_are_as_uncertain_as_the_rounding_of_the_numbers() -> None:
    parameters, number, largest = 4, 3, 0.3
    added = passes(number, parameters)
    found = routed(added, handed_by(added, 0.1, 0.2, largest))
    rounding = UNIT * largest / M**0.5 * number / parameters**0.5
    assert found.uncertainty == pytest.approx([4 * rounding] * number, rel=1e-3)


@pytest.mark.parametrize("alike", [0.0, 0.99])
def test_the_uncertainty_covers_the_error_and_is_not_much_larger(alike: float) -> None:
    worst, typical = 0.0, []
    for seed in range(60):
        added = passes(3, 4, seed)
        added[1] = alike * added[0] + (1 - alike**2) ** 0.5 * added[1]
        handed = handed_by(added, 0.3, 0.5, 0.8)
        rng = np.random.default_rng(seed)
        handed += 1e-4 * rng.standard_normal(handed.shape) / M**0.5
        found = routed(added, handed, unit=2.0**-17)
        share = np.abs(found.factors - [0.3, 0.5, 0.8]) / found.uncertainty
        worst = max(worst, float(share.max()))
        typical.append(float((share**2).mean()) ** 0.5)
    assert worst < 1
    assert float(np.mean(typical)) == pytest.approx(1 / 4, rel=0.15)


def test_what_was_held_before_has_a_factor_of_its_own() -> None:
    added, held = passes(3, 4), 2 * passes(4, 4)[3]
    handed = handed_by(added, 0.3, 0.6, 0.9) + 0.75 * held
    found = routed(added, handed, held=held)
    assert found.factors == pytest.approx([0.3, 0.6, 0.9], abs=1e-6)
    assert found.held == pytest.approx(0.75)
    assert found.remainder < 1e-6
    lost = routed(added, handed_by(added, 0.3, 0.6, 0.9), held=held)
    assert lost.held == 0


def test_parameters_that_took_one_other_way_are_named_together() -> None:
    added = passes(3, 9)
    handed = handed_by(added, 1, 1, 1)
    handed[1] = handed_by(added, 0, 0, 0.5)[1]
    handed[3] = handed_by(added, 0, 0, 0.5002)[3]
    handed[4] = handed_by(added, 0, 0, 0.503)[4]
    handed[6] = handed_by(added, 2, 2, 2)[6]
    found = routed(added, handed)
    assert found.factors.tolist() == [1, 1, 1]
    assert found.remainder < 1e-12
    assert [stray.names for stray in found.strays] == [("b", "d"), ("e",), ("g",)]
    factors = [stray.factors for stray in found.strays]
    for each, last in zip(factors, ([0, 0, 0.5], [0, 0, 0.503], [2, 2, 2]), strict=True):
        assert each == pytest.approx(last, abs=1e-6)
    assert max(stray.remainder for stray in found.strays) < 1e-6


def test_parameters_that_no_factors_explain_are_named_one_by_one() -> None:
    added, held = passes(3, 9), np.zeros((9, M))
    foreign = passes(5, 9)
    handed = handed_by(added, 1, 1, 1)
    handed[0] = handed[0] + foreign[3, 0]
    held[[2, 5, 7]] = foreign[4, [2, 5, 7]]
    handed[2] = handed[2] + held[2]
    handed[3] = 0.5 * handed[3]
    found = routed(added, handed, held=held)
    assert [(stray.names, stray.factors is None) for stray in found.strays] == [
        (("a",), True),
        (("c",), True),
        (("d",), False),
    ]
    assert [stray.remainder for stray in found.strays] == pytest.approx([1 / 3, 0, 0], abs=1e-6)


@pytest.mark.parametrize(("off", "named"), [(2, True), (3, False)])
def test_up_to_half_of_the_parameters_may_stray(off: int, *, named: bool) -> None:
    added, foreign = passes(3, 4), passes(4, 4)[3]
    handed = handed_by(added, 1, 1, 1)
    handed[:off] += 2 * foreign[:off]
    found = routed(added, handed)
    assert len(found.strays) == (off if named else 0)
    assert (found.remainder > found.tolerance) is not named


def test_where_nothing_fits_the_largest_share_left_over_is_told() -> None:
    added, held = passes(2, 3), passes(4, 3)[2]
    handed = handed_by(added, 1, 0.5) + 0.75 * held + np.array([1, 2, 3])[:, None] * passes(4, 3)[3]
    found = routed(added, handed, held=held)
    assert found.strays == ()
    assert found.held == pytest.approx(0.75, abs=0.3)
    assert found.remainder == pytest.approx(3 / (9 + 1 + 0.25 + 0.5625) ** 0.5, abs=0.05)


def test_one_parameter_that_does_not_fit_is_fitted_as_closely_as_it_can_be() -> None:
    every = passes(3, 1)
    added = every[:2]
    found = routed(added, handed_by(added, 0.5, 0.25) + 0.01 * every[2])
    assert found.factors == pytest.approx([0.5, 0.25], abs=1e-6)
    assert found.remainder == pytest.approx(0.01 / 0.75)


def test_what_is_left_over_is_a_share_of_what_was_held_too() -> None:
    every = passes(4, 1)
    added = every[:2]
    held = -0.9 * every[0] + 0.19**0.5 * every[2]  # nearly cancels the first pass
    handed = handed_by(added, 0.5, 0.25) + 0.5 * held + 0.01 * every[3]
    found = routed(added, handed, held=held)
    assert found.held == pytest.approx(0.5, abs=1e-6)
    assert found.remainder == pytest.approx(0.01 / 1.25)


BFLOAT16 = 2.0**-8


def accumulated(added: Array, factors: Array, seed: int = 0) -> Array:
    """Return the sum by these factors, rounded after each pass as bfloat16 does."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(added[0])
    for c, one in zip(factors, added, strict=True):
        total = (total + c * one) * (1 + BFLOAT16 / 2 * rng.uniform(-1, 1, one.shape))
    return total


def apart(number: int, parameters: int = 6, seed: int = 0) -> Array:
    """Return passes that point in different directions, as those of small batches do."""
    return np.random.default_rng(seed).standard_normal((number, parameters, M))


@pytest.mark.parametrize("number", [4, 16, 64, 128])
@pytest.mark.parametrize("seed", range(5))
def test_coarse_arithmetic_of_many_passes_raises_no_alarm(number: int, seed: int) -> None:
    for added in (apart(number, seed=seed), apart(1, seed=seed) + apart(number, seed=seed)):
        ones = np.ones(number)
        found = routed(added, accumulated(added, ones, seed), unit=BFLOAT16)
        assert np.allclose(found.factors, found.factors[0])
        assert found.factors[0] == pytest.approx(1, abs=0.01)
        assert found.strays == ()


@pytest.mark.parametrize("number", [64, 128])
@pytest.mark.parametrize("seed", range(3))
def test_one_pass_of_many_is_found_in_coarse_arithmetic(number: int, seed: int) -> None:
    added, factors = apart(number, seed=seed), np.ones(number)
    factors[number // 2] = 0.85
    found = routed(added, accumulated(added, factors, seed), unit=BFLOAT16)
    assert found.factors[number // 2] == pytest.approx(0.85, abs=0.05)
    assert np.all(np.delete(found.factors, number // 2) == 1)


def test_one_parameter_that_was_scaled_halfway_is_found_in_coarse_arithmetic() -> None:
    added = apart(64)
    handed = accumulated(added, np.ones(64))
    halfway = np.where(np.arange(64) < 32, 0.9, 1.0)
    handed[2] = accumulated(added[:, 2:3], halfway)[0]
    found = routed(added, handed, unit=BFLOAT16)
    assert found.factors.tolist() == [1] * 64
    (stray,) = found.strays
    assert stray.names == ("c",)
    assert stray.factors == pytest.approx(halfway, abs=0.02)
    handed[2] += 0.2 * apart(1, seed=9)[0, 2] * 8
    (lost,) = routed(added, handed, unit=BFLOAT16).strays
    assert (lost.names, lost.factors is None) == (("c",), False)
    handed[2] += apart(1, seed=9)[0, 2] * 80
    (lost,) = routed(added, handed, unit=BFLOAT16).strays
    assert (lost.names, lost.factors) == (("c",), None)


def test_passes_that_repeat_are_rounded_alike() -> None:
    one = apart(1)
    added = np.repeat(one, 64, axis=0)
    drift = 1 + 0.1 * np.sign(apart(1, seed=1)[0])  # each number is rounded one way each time
    found = routed(added, drift * added.sum(0), unit=BFLOAT16)
    assert found.strays == ()
    assert np.allclose(found.factors, found.factors[0])


def test_what_rounding_hides_of_one_pass_is_told() -> None:
    few, many = apart(4), apart(128)
    exact = routed(few, few.sum(0))
    assert exact.hidden == 0
    shown = routed(few, accumulated(few, np.ones(4)), unit=BFLOAT16)
    hidden = routed(many, accumulated(many, np.ones(128)), unit=BFLOAT16)
    assert 0.02 < shown.hidden < hidden.hidden < 0.2
    many[7] *= 1e-3
    lost = routed(many, accumulated(many, np.ones(128)), unit=BFLOAT16)
    assert lost.hidden == 1


def test_clips_seen_between_passes_are_taken_out_of_the_sum_so_far() -> None:
    added = apart(64)
    clips = np.linspace(0.93, 1.0, 64)
    factors = np.append(np.cumprod(clips[-2::-1])[::-1], 1.0)
    known = {"guesses": (1.0,), "coarse": 0.0, "clips": clips.tolist()}
    for unit, handed in (
        (UNIT, handed_by(added, *factors)),
        (BFLOAT16, accumulated(added, factors)),
    ):
        found = route(sketched(added, handed, unit=unit), **known)
        assert found.factors == pytest.approx(factors)
        assert found.uncertainty.tolist() == [0] * 64
    plain = route(sketched(added, added.sum(0)), **known)
    assert plain.factors.tolist() == [1] * 64  # the sums were kept elsewhere


def test_among_small_factors_a_small_difference_counts() -> None:
    """As among 64 workers, whose gradients may have been sent in half precision."""
    added = passes(4, 3)
    found = routed(added, handed_by(added, 1, 1, 1.005, 1) / 64, (1 / 64,))
    assert found.factors * 64 == pytest.approx([1, 1, 1.005, 1], abs=1e-5)


@pytest.mark.parametrize("number", [16, 64])
def test_one_pass_of_many_is_found_whatever_else_was_guessed(number: int) -> None:
    added, factors = apart(number, seed=0), np.ones(number)
    factors[number // 2] = 0.85
    found = routed(added, accumulated(added, factors, 0), (0.5, 1.0), unit=BFLOAT16)
    assert found.factors[number // 2] == pytest.approx(0.85, abs=0.05)


def test_passes_that_repeat_round_alike() -> None:
    alike, apart = np.repeat(passes(1, 2), 3, axis=0), passes(3, 2)
    repeated, single = (
        allowed_by(sketched(added, added.sum(0), unit=BFLOAT16), np.ones(3), 1e-2)
        for added in (alike, apart)
    )
    assert np.all(repeated > single)


def test_a_parameter_of_one_factor_has_it_in_every_pass_but_for_rounding() -> None:
    """The last pass adds so little that its own factor is read to five digits."""
    added = passes(3, 4) * np.array([1, 1, 1e-4])[:, None, None]
    handed = added.sum(0)
    handed[0] = (2 * handed[0]).astype(np.float32) + 2.0**-24 * passes(1, 1, seed=3)[0, 0]
    [stray] = routed(added, handed).strays
    assert stray.factors is not None
    assert stray.factors.tolist() == [pytest.approx(2, abs=1e-6)] * 3


def test_what_rounding_leaves_is_a_walk_of_the_sums_and_of_passes_that_repeat() -> None:
    """Three parameters: one gradient thrice, three at right angles, and one that changes."""
    u, one = BFLOAT16, np.zeros(M)
    one[0] = 1.0
    e = np.eye(M)[:3]
    more = 1 + 5 * u
    added = np.stack([[one, one, one], e, [one, more * one, -more * one]], axis=1)
    sketches = sketched(added, added.sum(0), unit=u)
    walks = [32**0.5, 12**0.5, (4 + (1 + more) ** 2) ** 0.5]
    repeated = [5 * u, 0, 0]
    expected = [
        (2 * u * walk + again) / size + FLOOR
        for walk, again, size in zip(walks, repeated, [3, 3, 1 + 2 * more], strict=True)
    ]
    most = sketches.tolerance  # that is less than the first is worth
    assert allowed_by(sketches, np.ones(3), most) == pytest.approx([most, *expected[1:]], abs=1e-8)
    fine = sketched(0.9 * added, 0.9 * added.sum(0), unit=u)
    assert allowed_by(fine, np.ones(3), most)[1:] == pytest.approx(expected[1:], abs=1e-8)
    assert allowed_by(sketches, np.ones(3), 1e-4).tolist() == [1e-4] * 3


def test_clips_that_the_sum_does_not_show_are_left_out() -> None:
    added = apart(16)
    clips = [1.0] * 14 + [0.998, 1.0]
    for handed in (added.sum(0), accumulated(added, np.ones(16))):
        found = route(sketched(added, handed, unit=BFLOAT16), (1.0,), 0.0, clips=clips)
        assert found.factors.tolist() == [1] * 16


def test_a_clip_by_little_is_seen_in_coarse_arithmetic() -> None:
    added = apart(64)
    clips = np.where(np.arange(64) == 31, 0.99, 1.0)
    factors = np.where(np.arange(64) < 32, 0.99, 1.0)
    sketches = sketched(added, accumulated(added, factors), unit=BFLOAT16)
    found = route(sketches, (1.0,), 0.0, clips=clips.tolist())
    assert found.factors == pytest.approx(factors, abs=1e-12)
    assert (found.held, found.tolerance) == (0, sketches.tolerance)
    assert found.remainder == pytest.approx(float(sketches.left(factors).max()))


@pytest.mark.parametrize(("clip", "factors"), [(0.9, [1, 1, 1]), (0.0, [0, 1, 1])])
def test_a_clip_to_nothing_counts_and_one_of_nothing_does_not(
    clip: float, factors: list[float]
) -> None:
    added = passes(3, 2)
    added[0] *= clip == 0
    handed = handed_by(added, *factors)
    found = route(sketched(added, handed), (1.0,), 0.0, clips=(clip, 1, 1))
    assert found.factors.tolist() == factors
    assert found.uncertainty.tolist() == [0, 0, 0]


def test_parameters_with_tiny_factors_are_told_apart() -> None:
    added = passes(3, 6)
    handed = np.array([1, 1, 1, 1, 2, 3])[:, None] * 1e-9 * added.sum(0)
    found = routed(added, handed, (1e-9,))
    assert found.factors.tolist() == [1e-9] * 3
    assert [stray.names for stray in found.strays] == [("e",), ("f",)]


def test_half_of_the_parameters_may_stray_in_coarse_arithmetic() -> None:
    added = apart(16)
    handed = accumulated(added, np.ones(16))
    handed[3:] *= 0.5
    found = routed(added, handed, (1.0, 0.5), unit=BFLOAT16)
    assert found.factors.tolist() == [1] * 16
    assert [stray.names for stray in found.strays] == [("d",), ("e",), ("f",)]
    for stray in found.strays:
        assert stray.factors is not None
        assert stray.factors.tolist() == [0.5] * 16


def test_workers_take_turns_where_one_parameter_strays_in_coarse_arithmetic() -> None:
    added, turns = apart(64), np.tile(np.arange(32), 2)
    scaled, zeroed = np.where(turns < 8, 0.925, 1.0), np.where(turns < 8, 0.0, 1.0)
    handed = accumulated(added, scaled)
    handed[2] = accumulated(added[:, 2:3], zeroed)[0]
    sketches = sketched(added, handed, unit=BFLOAT16)
    found = route(sketches, (1.0, 0.95), 0.0, turns.tolist())
    assert found.factors == pytest.approx(scaled, abs=0.01)
    assert found.factors[turns >= 8].tolist() == [1] * 48
    (stray,) = found.strays
    assert stray.names == ("c",)
    assert stray.factors is not None
    assert stray.factors.tolist() == zeroed.tolist()


def test_of_a_lost_parameter_the_least_that_factors_leave_is_told() -> None:
    added = apart(16)
    handed = accumulated(added, np.ones(16))
    handed[2] = 0.5 * handed[2] + 0.5 * apart(1, seed=9)[0, 2]
    sketches = sketched(added, handed, unit=BFLOAT16)
    (stray,) = route(sketches, (1.0,), 0.0).strays
    alone = sketches.only(np.arange(6) == 2)
    closest = np.linalg.lstsq(alone.added[:, 0].T, alone.handed[0])[0]
    assert (stray.names, stray.factors) == (("c",), None)
    assert stray.remainder == pytest.approx(float(alone.left(closest)[0]), rel=1e-6)


def test_no_factors_explain_a_parameter_that_held_gradients_in_coarse_arithmetic() -> None:
    added, held = apart(16), np.zeros((6, M))
    held[2] = 5 * apart(1, seed=9)[0, 2]
    handed = accumulated(added, np.ones(16)) + 0.75 * held
    (stray,) = routed(added, handed, held=held, unit=BFLOAT16).strays
    assert (stray.names, stray.factors) == (("c",), None)
    assert stray.remainder < 0.01
