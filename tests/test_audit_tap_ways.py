"""The way of the gradients to each optimizer: clips, workers, and optimizers that fared alike."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradexplain.audit.tap.seen import Seen, Stepped
from gradexplain.audit.tap.sketches import Sketches
from gradexplain.audit.tap.ways import COARSE, Way, ways_of

UNIT = 2.0**-24
NAMES = "a", "b", "c"
M = 131
Array = npt.NDArray[np.float64]


def passes(number: int = 2, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((number, len(NAMES), M))


def stepped(added: Array, handed: Array, **known: Any) -> Stepped:
    """Return a step of SGD, but for what is said."""
    held = known.pop("held", np.zeros_like(handed))
    sketches = Sketches(NAMES, added, held, handed, UNIT)
    plain: dict[str, Any] = {"optimizer": "SGD", "passes": tuple(range(len(added)))}
    return Stepped(
        **(plain | {"names": NAMES, "sketches": sketches, "clips": (1.0,) * len(NAMES)} | known)
    )


def way_of(*workers: Stepped, clipped: bool = False) -> Way:
    """Return the way to the one optimizer of these workers."""
    (way,) = ways_of([Seen((), (step,), {}) for step in workers], clipped=clipped)
    return way


def ways(*steps: Stepped) -> list[Way]:
    """Return the ways to the optimizers of one worker."""
    return ways_of([Seen((), steps, {})], clipped=False)


def test_a_sum_of_all_passes_has_factors_of_1() -> None:
    added = passes()
    way = way_of(stepped(added, added.sum(0)))
    assert (way.optimizer, way.watched, way.finite) == ("SGD", True, True)
    assert (way.factors, way.unsure) == ({(0, 0): 1, (0, 1): 1}, {(0, 0): 0, (0, 1): 0})
    assert (way.held, way.strays, way.clips, way.cut, way.disagreeing) == (0, (), (), (), ())
    assert (way.coarse, way.relative) == (False, 0)
    assert way.tolerance == pytest.approx(2 * UNIT * 3**0.5 + 2e-6)


def test_a_way_that_was_not_watched_is_taken_for_plain() -> None:
    added = passes()
    unseen = [stepped(added, added[0], sketches=None, cut=("b",)) for _ in range(2)]
    way = way_of(*unseen)
    assert way.watched is False
    assert way.factors == {(w, k): 0.5 for w in range(2) for k in range(2)}
    assert way.unsure == dict.fromkeys(way.factors, 0)
    assert way.cut == ("b",)


@pytest.mark.parametrize("of", ["handed", "added"])
@pytest.mark.parametrize("worker", [0, 1])
def test_numbers_that_are_not_finite_end_the_way(of: str, worker: int) -> None:
    added = passes()
    bad = [added.copy(), added.sum(0)]
    bad[of == "handed"][..., 0] = np.inf
    steps = [stepped(added, added.sum(0)), stepped(added, added.sum(0))]
    steps[worker] = stepped(*bad)
    assert way_of(*steps).finite is False


def test_clips_are_divided_out_of_the_parameters_they_bit() -> None:
    added = passes()
    clips = 0.25, 0.5, 1.0
    handed = added.sum(0) * np.array(clips)[:, None]
    way = way_of(stepped(added, handed, clips=clips))
    assert (set(way.factors.values()), way.strays, way.clips) == ({1}, (), clips)
    zero = way_of(stepped(added, added.sum(0), clips=(0.0, 1.0, 1.0)))
    assert (set(zero.factors.values()), zero.strays) == ({1}, ())


def test_a_clip_by_value_leaves_the_other_parameters_to_be_read() -> None:
    added = passes()
    handed = 0.5 * added.sum(0)
    handed[1] = np.clip(handed[1], -0.1, 0.1)
    way = way_of(stepped(added, handed, cut=("b",)))
    assert way.cut == ("b",)
    assert list(way.factors.values()) == pytest.approx([0.5, 0.5])
    assert way.strays == ()
    everywhere = way_of(stepped(added, np.clip(handed, -0.1, 0.1), cut=NAMES))
    assert (everywhere.cut, set(everywhere.factors.values())) == (NAMES, {1})


@pytest.mark.parametrize(("factor", "clip"), [(0.25, 0.25), (1.0, None), (1.5, None), (-0.5, None)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_factor_below_1_may_be_declared_a_clip(
    factor: float, clip: float | None, workers: int
) -> None:
    added = [passes(seed=w) for w in range(workers)]
    handed = factor * sum(one.sum(0) for one in added) / workers
    way = way_of(*(stepped(one, handed) for one in added), clipped=True)
    divided = 1.0 if clip else factor
    assert list(way.factors.values()) == pytest.approx([divided / workers] * 2 * workers)
    assert way.clips == pytest.approx([clip] if clip else [])
    plain = way_of(*(stepped(one, handed) for one in added))
    assert list(plain.factors.values()) == pytest.approx([factor / workers] * 2 * workers)


def test_one_pass_may_be_clipped() -> None:
    added = passes(1)
    way = way_of(stepped(added, 0.25 * added[0]), clipped=True)
    assert way.factors == {(0, 0): 1}
    assert way.clips == pytest.approx([0.25])


def test_a_clip_that_is_declared_comes_on_top_of_those_seen() -> None:
    added = passes()
    handed = 0.5 * added.sum(0) * np.array([0.25, 1, 1])[:, None]
    way = way_of(stepped(added, handed, clips=(0.25, 1.0, 1.0)), clipped=True)
    assert way.clips == pytest.approx([0.125, 0.5, 0.5])


def after_a_clip(scale: Any, bound: float = 1.0, length: float = 400.0, **known: Any) -> Stepped:
    """Return a step whose gradients were clipped while scaled, and then divided by the scale."""
    added = passes() / 100
    left = min(bound / length, 1.0) * added.sum(0)
    plain: dict[str, Any] = {"left": left, "lengths": (length,) * 3, "bounds": (bound,) * 3}
    plain |= {"clips": (min(bound / length, 1.0),) * 3, "scale": float(np.ravel(scale)[0])}
    return stepped(added, left / scale, **(plain | known))


@pytest.mark.parametrize(
    ("bound", "length", "factor"),
    [(1.0, 4000.0, 1 / 1024), (1.0, 100.0, 1 / 100), (10.0, 5.0, None), (1.0, 1.0, None)],
)
def test_a_clip_of_scaled_gradients_is_compared_with_one_of_the_gradients(
    bound: float, length: float, factor: float | None
) -> None:
    found = way_of(after_a_clip(1024.0, bound, length)).clipped_scaled
    assert (found is None) is (factor is None)
    if found is not None:
        assert (found.scale, found.bound) == pytest.approx((1024, bound))
        assert found.factor == pytest.approx(factor)


def test_the_clip_that_the_scale_changed_most_counts() -> None:
    found = way_of(after_a_clip(1024.0, 1.0, 4000.0, lengths=(1e-9, 4000.0, 1e-9))).clipped_scaled
    assert found is not None
    assert found.factor == pytest.approx(1 / 1024)


def test_a_clip_that_saw_too_small_gradients_bit_too_little() -> None:
    found = way_of(after_a_clip(1 / 8, 1.0, 0.5)).clipped_scaled
    assert found is not None
    assert (found.scale, found.factor) == pytest.approx((1 / 8, 4))


def test_a_clip_of_the_gradients_themselves_is_none_of_scaled_ones() -> None:
    assert way_of(after_a_clip(1.0)).clipped_scaled is None
    assert way_of(after_a_clip(1024.0, left=None)).clipped_scaled is None
    uneven = after_a_clip(np.array([2.0, 3.0, 4.0])[:, None])
    assert way_of(uneven).clipped_scaled is None
    opposite = after_a_clip(-2.0)
    assert way_of(opposite).clipped_scaled is None
    unclipped = after_a_clip(2.0, left=np.zeros((3, M)))
    assert way_of(unclipped).clipped_scaled is None


def test_a_clip_that_is_declared_comes_before_the_scale() -> None:
    added = passes()
    way = way_of(stepped(added, 0.25 * added.sum(0) / 8, scale=8.0), clipped=True)
    assert way.factors == {(0, 0): 1 / 8, (0, 1): 1 / 8}
    assert way.clips == pytest.approx([0.25])
    assert way.clipped_scaled is None


@pytest.mark.parametrize("factors", [(0.0, 0.0), (0.0, 0.25), (0.5, 0.25)])
def test_what_is_no_common_factor_is_no_clip(factors: Sequence[float]) -> None:
    added = passes()
    way = way_of(stepped(added, np.tensordot(factors, added, 1)), clipped=True)
    assert list(way.factors.values()) == pytest.approx(factors)
    assert way.clips == ()


@pytest.mark.parametrize("common", [0.5, 1.0])
def test_workers_average_or_add_up(common: float) -> None:
    added = [passes(seed=w) for w in range(2)]
    handed = common * (added[0] + added[1]).sum(0)
    way = way_of(*(stepped(one, handed) for one in added))
    assert way.factors == {(w, k): common for w in range(2) for k in range(2)}
    assert set(way.unsure.values()) == {0}


def test_gradients_zeroed_before_a_pass_are_so_on_every_worker() -> None:
    added = [passes(seed=w) for w in range(2)]
    handed = (added[0][1] + added[1][1]) / 2
    way = way_of(*(stepped(one, handed) for one in added))
    assert way.factors == {(w, k): k / 2 for w in range(2) for k in range(2)}
    assert set(way.unsure.values()) == {0}


def test_what_workers_held_before_is_averaged() -> None:
    added = [passes(seed=w) for w in range(2)]
    held = [passes(1, seed=2 + w)[0] for w in range(2)]
    handed = (added[0].sum(0) + added[1].sum(0) + held[0] + held[1]) / 2
    way = way_of(*(stepped(one, handed, held=h) for one, h in zip(added, held, strict=True)))
    assert way.held == pytest.approx(1)
    assert list(way.factors.values()) == pytest.approx([0.5] * 4)


@pytest.mark.parametrize(("share", "differ"), [(0.3e-5, ()), (3e-5, ("b",))])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3])
def test_workers_may_be_handed_gradients_that_differ_by_a_hundred_thousandth(
    share: float, differ: tuple[str, ...], size: float
) -> None:
    added = [size * passes(seed=w) for w in range(2)]
    handed = (added[0].sum(0) + added[1].sum(0)) / 2
    other = handed.copy()
    sizes = np.linalg.norm(np.concatenate([*added, handed[None] / 0.5]), axis=-1) * 0.5
    other[1, 0] += share * sizes[:, 1].sum()
    way = way_of(stepped(added[0], handed), stepped(added[1], other))
    assert way.disagreeing == differ
    assert [set(own.values()) for own in way.each] == ([{0.5}, {0.5}] if differ else [])


def test_workers_that_are_handed_other_gradients_have_factors_each() -> None:
    added = [passes(seed=w) for w in range(2)]
    handed = (added[0].sum(0) + added[1].sum(0)) / 2
    way = way_of(stepped(added[0], handed), stepped(added[1], 3 * handed))
    assert way.disagreeing == NAMES
    assert [list(own) for own in way.each] == [list(way.factors)] * 2
    assert [list(own.values()) for own in way.each] == [
        pytest.approx([0.5] * 4),
        pytest.approx([1.5] * 4),
    ]


def test_a_parameter_without_gradient_on_any_worker_is_no_difference() -> None:
    added = [passes(seed=w) for w in range(2)]
    for one in added:
        one[:, 1] = 0
    handed = (added[0].sum(0) + added[1].sum(0)) / 2
    way = way_of(*(stepped(one, handed) for one in added))
    assert way.disagreeing == ()


def test_a_remainder_within_half_precision_is_coarse_between_workers() -> None:
    added = [passes(seed=w) for w in range(2)]
    noise = np.random.default_rng(5).standard_normal((3, M))
    handed = (added[0].sum(0) + added[1].sum(0)) / 2 + 1e-3 * noise
    way = way_of(stepped(added[0], handed), stepped(added[1], handed))
    assert (way.coarse, way.tolerance, way.strays) == (True, COARSE, ())
    assert 1e-4 < way.remainder < COARSE


def test_the_way_is_as_uncertain_as_the_factor_known_worst() -> None:
    keys = [(0, k) for k in range(4)]
    factors = dict(zip(keys, (2.0, -0.5, 0.0, 1.0), strict=True))
    unsure = dict(zip(keys, (0.1, 0.1, 0.3, np.inf), strict=True))
    assert Way("SGD", factors, unsure).relative == pytest.approx(0.2)
    assert Way("SGD", {}, {}).relative == 0


def test_optimizers_whose_gradients_fared_alike_share_a_way() -> None:
    added = passes(3)
    one = stepped(added[:2], added[:2].sum(0), passes=(0, 1))
    noise = 1e-7 * np.random.default_rng(6).standard_normal((3, M))
    handed = added[1:].sum(0) + noise
    other = stepped(added[1:], handed, optimizer="AdamW", passes=(1, 2), clips=(0.5, 1.0, 1.0))
    other = replace(other, sketches=replace(other.sketches, handed=handed * [[0.5], [1], [1]]))  # type: ignore[type-var]
    (way,) = ways(one, other, replace(one, optimizer="AdamW"), replace(one, optimizer="Lion"))
    assert way.optimizer == "SGD and AdamW and Lion"
    assert way.factors == {(0, 0): 1, (0, 1): 1, (0, 2): 1}
    assert way.unsure == dict.fromkeys(way.factors, 0)
    assert way.clips == (0.5, 1, 1)
    assert 1e-8 < way.remainder < 1e-6


def fared() -> dict[str, Stepped]:
    """Return steps that fared differently from a plain one."""
    added = passes()
    held = passes(3)[2]
    plain = added.sum(0)
    stray = plain.copy()
    stray[1] *= 2
    return {
        "factor": stepped(added, plain * 0.99),
        "dropped": stepped(added, added[1]),
        "stray": stepped(added, stray),
        "held": stepped(added, plain + held, held=held),
        "cut": stepped(added, plain, cut=("b",)),
        "no pass in common": stepped(added, plain, passes=(2, 3)),
    }


@pytest.mark.parametrize("how", fared())
@pytest.mark.parametrize("turned", [False, True])
def test_optimizers_whose_gradients_fared_otherwise_do_not(how: str, *, turned: bool) -> None:
    added = passes()
    steps = [stepped(added, added.sum(0)), replace(fared()[how], optimizer="AdamW")]
    found = ways(*(reversed(steps) if turned else steps))
    assert sorted(way.optimizer for way in found) == ["AdamW", "SGD"]


def test_small_factors_are_compared_by_their_own_size() -> None:
    added = passes()
    noise = 1 + 1e-3 * np.random.default_rng(7).standard_normal((3, M))
    one = stepped(added, 0.01 * added.sum(0) * noise)
    other = stepped(added, 0.012 * added.sum(0) * noise, optimizer="AdamW")
    assert len(ways(one, other)) == 2


def test_an_optimizer_that_no_pass_reached_has_no_way() -> None:
    added = passes()
    idle = stepped(added[:0], 0 * added[0])
    assert [way.optimizer for way in ways(replace(idle, optimizer="Lion"))] == []
    assert len(ways(idle, stepped(added, added.sum(0)))) == 1


def test_workers_with_other_parameters_or_optimizers_are_an_error() -> None:
    added = passes()
    step = stepped(added, added.sum(0))
    other = replace(step, sketches=replace(step.sketches, names=("a", "b", "d")))  # type: ignore[type-var]
    with pytest.raises(
        ValueError,
        match=r"^each worker must train the same parameters, "
        r"but worker 1's differ from worker 0's; if they hold one model together",
    ):
        way_of(step, other)
    with pytest.raises(ValueError, match="worker 1's differ from worker 0's"):
        way_of(step, replace(step, sketches=None))
    with pytest.raises(ValueError, match=r"same optimizers, not \[1, 2\] of them$"):
        ways_of([Seen((), (step,) * n, {}) for n in (2, 1)], clipped=False)


@pytest.mark.parametrize("clip", [0.5, 0.9997])
def test_workers_may_clip_before_the_average(clip: float) -> None:
    first, second = passes(seed=0), passes(seed=1)
    handed = (first.sum(0) + clip * second.sum(0)) / 2
    way = way_of(stepped(first, handed), stepped(second, handed, clips=(clip,) * len(NAMES)))
    assert (way.clipped_early, way.clips, way.disagreeing) == (clip, (), ())
    assert way.watched
    assert list(way.factors.values()) == pytest.approx([0.5, 0.5, clip / 2, clip / 2])


def test_workers_that_clip_the_average_each_by_a_norm_of_its_own_disagree() -> None:
    added = passes()
    workers = [
        stepped(added, clip * added.sum(0), clips=(clip,) * len(NAMES)) for clip in (0.5, 0.25)
    ]
    way = way_of(*workers)
    assert way.disagreeing
    assert way.clipped_early == 0


def test_a_clip_between_passes_makes_their_factors_sure() -> None:
    added = passes()
    handed = 0.3 * added[0] + added[1]
    way = way_of(stepped(added, handed, between=(0.3, 1.0)))
    assert (way.factors, way.unsure) == ({(0, 0): 0.3, (0, 1): 1}, {(0, 0): 0, (0, 1): 0})


def test_a_gradient_that_one_rank_holds_is_no_shard() -> None:
    added = passes()
    assert not way_of(stepped(added, added.sum(0), holders=(0,))).sharded


def test_workers_that_train_other_parameters_must_say_why() -> None:
    added = passes()
    one = stepped(added, added.sum(0))
    assert one.sketches is not None
    other = replace(one, sketches=replace(one.sketches, names=("a", "b", "d")))
    message = (
        "^each worker must train the same parameters, but worker 1's differ from worker 0's; if "
        r"they hold one model together, as in a pipeline, say so: watch\(\.\.\., replicas=\.\.\.\)$"
    )
    with pytest.raises(ValueError, match=message):
        way_of(one, other)


def test_of_workers_that_disagree_no_clip_is_told() -> None:
    added = passes()
    clips = (0.5,) * len(NAMES)
    way = way_of(
        stepped(added, added.sum(0), clips=clips), stepped(added, 2 * added.sum(0), clips=clips)
    )
    assert way.disagreeing
    assert way.clips == ()


def test_workers_differ_in_a_parameter_by_its_own_size() -> None:
    added = passes() * np.array([1.0, 1.0, 1e-9])[:, None]
    handed = added.sum(0)
    off = handed * np.array([1.0, 1.0, 1.1])[:, None]
    assert way_of(stepped(added, handed), stepped(added, off)).disagreeing == ("c",)
