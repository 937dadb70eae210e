"""Gradients that are longer than their sketches, in which rows cancel."""

from dataclasses import replace
from math import inf

import numpy as np
import numpy.typing as npt
import pytest

from gradexplain.audit.tap.replicas import as_workers
from gradexplain.audit.tap.seen import Seen, Stepped
from gradexplain.audit.tap.sketches import Sketches, longer_than
from gradexplain.audit.tap.ways import Way, ways_of

UNIT = 2.0**-24
NAMES = "a", "b"
M = 131
Array = npt.NDArray[np.float64]


def sketched(added: Array, handed: Array, longer: Array | None) -> Sketches:
    return Sketches(NAMES, added, np.zeros_like(handed), handed, UNIT, longer)


def rounded(share: float) -> tuple[Array, Array]:
    """Return what two passes added, and what the optimizer got: that, but for some of "b"."""
    rng = np.random.default_rng(0)
    added, off = rng.standard_normal((2, 2, M)), rng.standard_normal(M)
    sizes = np.sqrt((added[:, 1] ** 2).sum(-1)).sum()
    handed = added.sum(0)
    handed[1] += share * sizes * off / np.sqrt((off**2).sum())
    return added, handed


def stepped(sketches: Sketches, holders: tuple[int, ...] = ()) -> Stepped:
    return Stepped("SGD", (0, 1), NAMES, sketches, clips=(1.0, 1.0), holders=holders)


def way_of(*workers: Stepped) -> Way:
    (way,) = ways_of([Seen((), (one,), {}) for one in workers], clipped=False)
    return way


def test_a_gradient_is_at_least_as_long_as_its_sketch() -> None:
    sketches = np.array([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0], [0.0, 0.0], [inf, 0.0]])
    longer = longer_than(sketches, np.array([10.0, 1.0, inf, 3.0, inf]))
    assert longer.tolist() == [2, 1, 1, 3, 1]


def test_sizes_are_those_of_the_gradients() -> None:
    added, handed = rounded(0.0)
    short, whole = sketched(added, handed, None), sketched(added, handed, np.array([2.0, 3.0]))
    assert [size.shape for size in whole.sizes] == [(2, 2), (2,), (2,)]
    for one, other in zip(whole.sizes, short.sizes, strict=True):
        assert np.allclose(one, other * [2, 3])
    factors = np.array([1.0, -1.0])
    assert np.allclose(whole.running(factors), short.running(factors) * [2, 3])
    assert np.allclose(short.running(factors)[0], short.sizes[0][0])
    full = replace(short, held=100 * handed)
    assert np.array_equal(full.scale(factors), short.scale(factors))  # but for what was held
    assert np.all(full.scale(factors, held=1.0) > short.scale(factors))
    some = whole.only(np.array([False, True]))
    assert some.longer is not None
    assert some.longer.tolist() == [3]
    assert short.only(np.array([False, True])).longer is None


def test_what_is_left_is_a_share_of_the_gradients() -> None:
    added, handed = rounded(1e-5)
    short = way_of(stepped(sketched(added, handed, None)))
    assert [stray.names for stray in short.strays] == [("b",)]
    long = way_of(stepped(sketched(added, handed, np.array([1.0, 20.0]))))
    assert long.strays == ()
    assert long.remainder == pytest.approx(5e-7, rel=1e-3)


def test_shards_are_measured_together() -> None:
    """Each of two workers holds half of what cancels in the sketch of the whole."""
    added, handed = rounded(1e-5)
    half = np.full(2, 7.0)
    workers = [
        stepped(sketched(added / 2, shard, half), holders=(0, 1))
        for shard in (handed * [[4.0], [4.0]], handed * [[-3.0], [-3.0]])
    ]
    # Norms of 28 and 21 in shards, and of 1 in the sketch: 35 in the whole.
    assert way_of(*workers).remainder == pytest.approx(1e-5 / 35, rel=1e-2)


def test_replicas_keep_what_was_measured() -> None:
    added, handed = rounded(0.0)
    known = sketched(added, handed, np.array([2.0, 3.0]))
    ranks = [stepped(known), stepped(replace(known, longer=np.array([4.0, 5.0])))]
    seen = [Seen((), (one,), {}, replicas=(0, 1)) for one in ranks]
    (both,) = as_workers(seen)
    sketches = both.steps[0].sketches
    assert sketches is not None
    assert sketches.longer is not None
    assert sketches.longer.tolist() == [2, 3, 4, 5]


def test_a_length_that_is_not_finite_makes_no_sketch_longer() -> None:
    short = np.array([[0.3, 0.4], [0.0, 0.0]])
    assert longer_than(short, np.array([np.inf, np.nan])).tolist() == [1, 1]
    assert longer_than(short, np.array([2.0, 3.0])).tolist() == [4, 3]
