"""Steps of a run: those that read alike are reported together, and the worst decides."""

import dataclasses

import numpy as np
import pytest

from gradexplain import Report, audit_accumulation
from gradexplain.audit.tell.steps import Steps, _named

RNG = np.random.default_rng(0)
PARTS = [RNG.standard_normal(100) for _ in range(2)]


def report(*weights: float, counts: tuple[int, ...] = (10, 90)) -> Report:
    return audit_accumulation(weights[0] * PARTS[0] + weights[1] * PARTS[1], PARTS, counts=counts)


MEANT = "Steps have no truth value: use steps.ok, which is True, False or None"
RIGHT, ALIKE, TWICE = report(0.1, 0.9), report(0.5, 0.5), report(0.2, 1.8)
OPEN = audit_accumulation(1 * PARTS[0], PARTS[:1], counts=[10])


def steps(*reports: Report) -> Steps:
    found = Steps()
    for k, each in enumerate(reports, 1):
        found.add(k, each)
    return found


def test_right_steps_are_one_line() -> None:
    found = steps(*[RIGHT] * 5)
    assert found.check() is found
    assert found.ok is True
    assert found.count == 5
    assert repr(found) == "<Steps exact in all of 5 steps read: A is the mean gradient.>"
    assert steps(RIGHT).summary == "exact in all of 1 step read: A is the mean gradient."


def test_where_no_step_was_read_it_says_so() -> None:
    assert repr(Steps()) == "<Steps none read>"


def test_a_failing_check_is_not_shown_as_the_place_of_the_failure() -> None:
    with pytest.raises(AssertionError, match=r"^RESCALED") as caught:
        steps(TWICE).check()
    assert caught.traceback[-1].frame.f_locals["__tracebackhide__"] is True


def test_the_first_wrong_step_decides_then_one_that_is_open() -> None:
    found = steps(RIGHT, OPEN, TWICE, ALIKE, TWICE)
    assert found.ok is False
    assert found.verdict.value == "rescaled"
    assert found.worst.steps == (3, 5)
    assert found.summary == (
        "rescaled in steps 3, 5, of 5 steps read: A is the mean gradient, times 2."
    )
    assert steps(RIGHT, OPEN).ok is None
    assert steps(RIGHT, OPEN).worst.steps == (2,)


def test_as_text_it_begins_with_the_verdict_and_ends_with_the_report() -> None:
    found = steps(RIGHT, ALIKE)
    found.add_unread(3, "nothing was tapped")
    lines = str(found).splitlines()
    assert lines[:6] == [
        "MEAN OF MEANS in step 2, of 2 read",
        "step 1: exact. A is the mean gradient.",
        "step 2: mean of means. A weighs every part alike.",
        "step 3: not read: nothing was tapped",
        "",
        "Step 2:",
    ]
    assert "\n".join(lines[6:]) == str(ALIKE)
    with pytest.raises(AssertionError, match=r"^MEAN OF MEANS in step 2, of 2 read\n"):
        found.check()


def test_steps_whose_numbers_are_near_each_other_read_alike() -> None:
    found = steps(report(0.05, 0.45), report(0.053, 0.477), report(0.06, 0.54))
    assert [one.steps for one in found.alike] == [(1, 2), (3,)]
    assert [step for step in range(1, 4) if found.is_new(step)] == [1, 3]


def test_steps_that_lack_other_parts_read_differently() -> None:
    found = steps(report(1.0, 0.0), report(0.0, 1.0))
    assert [one.steps for one in found.alike] == [(1,), (2,)]


def test_another_worker_prints_one_line() -> None:
    found = steps(dataclasses.replace(ALIKE, quiet=True))
    assert str(found) == "MEAN OF MEANS: worker 0 prints the report."


def test_nothing_read_is_no_verdict() -> None:
    found = Steps()
    found.add_unread(1, "no optimizer stepped")
    assert found.ok is None
    assert str(found) == "NO STEP WAS READ: step 1, no optimizer stepped"
    with pytest.raises(ValueError, match="steps must hold a report, but none was read: step 1"):
        _ = found.worst
    with pytest.raises(AssertionError, match=r"^NO STEP WAS READ"):
        found.check()
    found.add_unread(2, "no loss was tapped")
    assert str(found).endswith("step 1, no optimizer stepped: step 2, no loss was tapped")


def test_it_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=f"^{MEANT}$"):
        bool(Steps())


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([3], "step 3"),
        ([1, 2, 3], "steps 1 to 3"),
        ([1, 2, 5, 7, 8], "steps 1 to 2, 5, 7 to 8"),
        (range(1, 60, 10), "steps 1, 11, 21, 31, 41, 51"),
        (range(1, 80, 10), "steps 1, 11, 21, 31, 41, 51, … (8 steps)"),
    ],
)
def test_steps_are_named_by_their_spans(numbers: list[int], text: str) -> None:
    assert _named(numbers) == text
