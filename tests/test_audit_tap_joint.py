"""Losses of one value, each in a pass of its own: one loss, tapped again, or means that agree."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradexplain.audit.tap.joint import joint
from gradexplain.audit.tap.judged import judged
from gradexplain.audit.tap.rows import rows_of
from gradexplain.audit.tap.seen import Seen, Stepped, Tapped
from gradexplain.audit.tap.sketches import Sketches

UNIT = 2.0**-24
K = 3


def seen(read: float = 1.0, *, added: Any = None, **changed: Any) -> Seen:
    """Return what a worker saw of three losses of one value."""
    given = {"count": 18.0, "value": 1.5, "unit": UNIT, **changed}
    taps = tuple(Tapped("loss", {k: np.array(read)}, **given) for k in range(K))
    added = np.random.default_rng(0).standard_normal((K, 2, 131)) if added is None else added
    sketches = Sketches(("a", "b"), added, np.zeros((2, 131)), added.sum(0), UNIT)
    step = Stepped("SGD", tuple(range(K)), ("a", "b"), sketches, clips=(1.0, 1.0))
    return Seen(taps, (step,), {})


def last(one: Seen, **changed: Any) -> Seen:
    """Return what was seen with another last loss."""
    return replace(one, taps=(*one.taps[:-1], replace(one.taps[-1], **changed)))


def found(one: Seen) -> dict[str, int]:
    factors = {(0, k): 1.0 for k in range(K)}
    return joint([one], rows_of([one.taps], factors, dict.fromkeys(factors, 0.0)))


def test_losses_of_one_value_may_be_one() -> None:
    assert found(seen()) == {"loss": 3}
    report = judged([seen()])
    assert report.ok is None
    assert report.claim.startswith("3 tapped losses have the same value")
    assert "weight=3. Or each" in report.claim
    assert judged([seen(weight=3.0)]).ok is True
    assert judged([seen(1 / 3)]).ok is None
    assert judged([seen(1 / 3, weight=1.0)]).ok is True
    assert judged([seen(1 / 3)], expect="part").ok is True
    assert judged([seen()], expect="part").verdict.value == "rescaled"
    assert judged([seen(2.0)]).verdict.value == "rescaled"
    assert judged([seen(weight=0.5)]).verdict.value == "rescaled"
    assert judged([seen(0.5, weight=0.5)]).ok is None


def test_on_two_workers_each_counts_its_own() -> None:
    first, other = seen(2.0), seen(2.0, value=1.25)
    own, others = (one.steps[0].sketches for one in (first, other))
    assert own is not None
    assert others is not None
    handed = (own.handed + others.handed) / 2
    both = [
        replace(one, steps=(replace(one.steps[0], sketches=replace(sketches, handed=handed)),))
        for one, sketches in ((first, own), (other, others))
    ]
    assert judged(both).verdict.value == "rescaled"
    halved = [
        replace(w, taps=tuple(replace(t, read={k: np.array(1.0)}) for k, t in enumerate(w.taps)))
        for w in both
    ]
    assert judged(halved).ok is None


@pytest.mark.parametrize(
    "one",
    [
        last(seen(), value=1.5001),
        last(seen(), count=17.0),
        last(seen(glance=(0.0, 17.0, 3.0)), glance=(0.0, 17.0, 4.0)),
        last(seen(), read={0: np.array(1.0)}),
        last(seen(), read={}),
        last(seen(), read={1: np.array(0.5), 2: np.array(0.5)}),
        seen(unit=2.0**-9),
        seen(value=0.0),
        seen(added=np.ones((K, 2, 131))),
        replace(seen(), taps=seen().taps[:1]),
    ],
)
def test_what_shows_that_they_are_not_one(one: Seen) -> None:
    assert found(one) == {}


def test_what_leaves_it_open() -> None:
    assert found(last(seen(), value=1.500001)) == {"loss": 3}
    assert found(seen(unit=2.0**-9, glance=(0.0, 17.0, 3.0))) == {"loss": 3}
    unwatched = seen()
    step = replace(unwatched.steps[0], sketches=None)
    assert found(replace(unwatched, steps=(step,))) == {"loss": 3}


def test_two_losses_may_be_one() -> None:
    one = seen()
    two = replace(one, taps=one.taps[:2])
    rows = rows_of([two.taps], {(0, k): 1.0 for k in range(2)}, {(0, k): 0.0 for k in range(2)})
    assert joint([two], rows) == {"loss": 2}


@pytest.mark.parametrize(("off", "times"), [(1.5, {"loss": 3}), (2.5, {})])
def test_in_coarse_arithmetic_one_value_is_one_to_its_rounding(
    off: float, times: dict[str, int]
) -> None:
    unit = 2.0**-9
    one = seen(unit=unit, glance=(1.0, 2.0, 3.0))
    assert found(last(one, value=1.5 * (1 + off * unit))) == times


def test_passes_that_repeat_a_gradient_or_add_none_are_no_joint_loss() -> None:
    assert found(seen(added=np.zeros((K, 2, 131)))) == {}
    once = np.random.default_rng(0).standard_normal((1, 2, 131))
    nearly = np.concatenate([once, once * (1 + 1e-4), once * (1 + 2e-4)])
    assert found(seen(added=nearly)) == {}
    assert found(seen(added=once * np.array([1, 1.002, 1.004])[:, None, None])) == {"loss": K}


def test_losses_in_coarse_arithmetic_or_apart_are_not_one() -> None:
    assert found(seen(unit=1e-6)) == {"loss": K}
    assert found(seen(unit=1.1e-6)) == {}
    assert found(replace(seen(), apart=True)) == {}
