"""One gradient per worker, and gradients seen only as the step of an optimizer."""

import numpy as np
import pytest
from audits import COUNTS, RIGHT, Gradient, plus, random_parts, times, weighted

from gradexplain import PerWorker, Update, Verdict, audit_accumulation, sketch
from gradexplain.audit.read.tensors import widen_bfloat16

PARTS = random_parts(dtype=np.float32)
A = weighted(RIGHT, PARTS)


def copies(number: int, gradient: Gradient = A) -> list[Gradient]:
    return [{name: np.array(value) for name, value in gradient.items()} for _ in range(number)]


# One gradient per worker


def test_workers_that_agree_are_judged_as_one_and_it_is_noted() -> None:
    report = audit_accumulation(PerWorker(copies(3)), PARTS, counts=COUNTS)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.notes == ("All 3 workers end with the same gradient.",)
    assert report.workers == ()
    alike = weighted([0.25] * 4, PARTS)
    report = audit_accumulation(PerWorker(copies(2, alike)), PARTS, counts=COUNTS)
    assert report.verdict is Verdict.MEAN_OF_MEANS


def test_one_worker_is_no_comparison() -> None:
    report = audit_accumulation(PerWorker(copies(1)), PARTS, counts=COUNTS)
    assert (report.verdict, report.notes) == (Verdict.EXACT, ())


def test_workers_that_differ_are_listed_each_with_its_weights() -> None:
    each = [np.array([2, 18, 0, 0]) / 20, np.array([0, 0, 6, 1]) / 7]
    gradients = [weighted(weights, PARTS) for weights in each]
    report = audit_accumulation(PerWorker(gradients), PARTS, counts=COUNTS)
    assert (report.verdict, report.ok) == (Verdict.WORKERS_DISAGREE, False)
    assert report.claim == (
        "The workers end with different gradients, so their models drift apart."
    )
    for found, weights in zip(report.workers, each, strict=True):
        assert found == pytest.approx(weights, abs=1e-6)
    printed = str(report)
    assert "\nworker 0: weights 0.1, 0.9, 0, 0\n" in printed
    assert "\nworker 1: weights 0, 0, 0.8571, 0.1429\n" in printed
    assert not any("same gradient" in note for note in report.notes)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_any_worker_may_be_the_one_that_differs(which: int) -> None:
    gradients = copies(3)
    gradients[which] = times(A, 2.0)
    report = audit_accumulation(PerWorker(gradients), PARTS, counts=COUNTS)
    assert report.verdict is Verdict.WORKERS_DISAGREE
    ratios = [np.array(weights, float) / RIGHT for weights in report.workers]
    assert [round(float(ratio.mean())) for ratio in ratios] == [
        2 if w == which else 1 for w in range(3)
    ]


@pytest.mark.parametrize(("off", "agree"), [(1e-8, True), (1e-2, False)])
def test_workers_may_differ_by_rounding(off: float, *, agree: bool) -> None:
    stray = random_parts(1, seed=9)[0]
    other = {name: (A[name] + off * stray[name]).astype(np.float32) for name in A}
    report = audit_accumulation(PerWorker([A, other]), PARTS, counts=COUNTS)
    assert (report.verdict is Verdict.WORKERS_DISAGREE) is not agree


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize(("off", "agree"), [(1e-6, True), (1e-2, False)])
def test_workers_may_differ_in_one_small_tensor(which: int, off: float, *, agree: bool) -> None:
    gradients, shrunk = copies(3), [{**part, "b": part["b"] / 1000} for part in PARTS]
    for gradient in gradients:
        gradient["b"] /= 1000
    gradients[which]["b"] *= np.float32(1 + off)
    report = audit_accumulation(PerWorker(gradients), shrunk, counts=COUNTS)
    assert (report.verdict is Verdict.WORKERS_DISAGREE) is not agree
    assert ("All 3 workers end with the same gradient." in report.notes) is agree


def test_workers_may_be_sketched_and_divided_by_the_factor_that_is_meant() -> None:
    report = audit_accumulation(
        PerWorker([sketch(g) for g in copies(2, times(A, 2.0))]),
        [sketch(part) for part in PARTS],
        counts=COUNTS,
        expect_factor=2.0,
    )
    assert report.ok is True
    gradients = [times(A, 2.0), times(A, 2.0)]
    report = audit_accumulation(PerWorker(gradients), PARTS, counts=COUNTS, expect_factor=2.0)
    assert report.ok is True


def test_many_weights_of_a_worker_are_cut_short() -> None:
    parts = random_parts(20)
    each = [weighted(np.ones(20) / 20, parts), weighted(np.ones(20) / 10, parts)]
    printed = str(audit_accumulation(PerWorker(each), parts, counts=np.arange(1.0, 21)))
    line = " ".join(printed.partition("worker 1: ")[2].partition("do:")[0].split())
    assert line == "weights " + "0.1, " * 12 + "…"


@pytest.mark.bad_input
def test_a_worker_s_gradient_is_named_where_it_is_wrong() -> None:
    wrong = {**copies(1)[0], "b": np.full(40, np.nan, np.float32)}
    message = r"^accumulated\[worker 1\] must be finite, but accumulated\[worker 1\]\['b'\] is nan"
    with pytest.raises(ValueError, match=message):
        audit_accumulation(PerWorker([A, wrong]), PARTS, counts=COUNTS)
    with pytest.raises(ValueError, match="share memory with accumulated"):
        audit_accumulation(PerWorker([A, A]), PARTS, counts=COUNTS)


# A step of plain SGD


THETA = {name: 0.1 * value for name, value in random_parts(1, seed=7, dtype=np.float32)[0].items()}


def stepped(gradient: Gradient, rate: float, dtype: type = np.float32) -> Gradient:
    """Return the parameters after a step, rounded as parameters are."""
    return {n: np.asarray(THETA[n] - dtype(rate) * gradient[n], dtype) for n in THETA}


RATE = 1e-2


def test_a_step_of_plain_sgd_is_exact_though_the_parameters_were_rounded() -> None:
    after = stepped(A, RATE)
    report = audit_accumulation(Update(THETA, after, RATE), PARTS, counts=COUNTS)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.weights == pytest.approx(RIGHT, abs=1e-3)
    assert report.tolerated is not None
    assert report.tolerated > 1e-6


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        (2 * RIGHT, Verdict.RESCALED),
        (np.ones(4) / 4, Verdict.MEAN_OF_MEANS),
        (RIGHT * [1, 0, 1, 1], Verdict.DROPPED),
    ],
)
def test_mistakes_show_through_the_rounding_of_parameters(
    weights: np.ndarray, verdict: Verdict
) -> None:
    after = stepped(weighted(weights, PARTS), RATE)
    report = audit_accumulation(Update(THETA, after, RATE), PARTS, counts=COUNTS)
    assert report.verdict is verdict


def difference(rate: float) -> Gradient:
    after = stepped(A, rate)
    return {n: ((THETA[n] - after[n]) / np.float32(rate)).astype(np.float32) for n in THETA}


def as_bfloat16(gradient: Gradient) -> Gradient:
    """Round to bfloat16, in arrays of float32."""
    bits = {n: np.asarray(v, np.float32).view(np.uint32) for n, v in gradient.items()}
    return {n: widen_bfloat16(np.asarray((b + 0x8000) >> 16, np.uint16)) for n, b in bits.items()}


@pytest.mark.parametrize(("rate", "ok"), [(1e-2, None), (0.3, True)])
def test_bfloat16_parameters_may_be_saved_as_float32(rate: float, *, ok: bool | None) -> None:
    parts = [as_bfloat16(part) for part in PARTS]
    before = as_bfloat16(THETA)
    after = as_bfloat16(plus(before, as_bfloat16(weighted(RIGHT, parts)), -rate))
    report = audit_accumulation(Update(before, after, rate), parts, counts=COUNTS)
    assert report.ok is ok


def test_a_float32_step_from_a_bfloat16_checkpoint_is_read_sharply() -> None:
    before = as_bfloat16(THETA)
    for weights, verdict in [(RIGHT, Verdict.EXACT), (np.ones(4) / 4, Verdict.MEAN_OF_MEANS)]:
        after = plus(before, weighted(weights, PARTS), -RATE)
        report = audit_accumulation(Update(before, after, RATE), PARTS, counts=COUNTS)
        assert report.verdict is verdict


def test_without_update_a_difference_of_parameters_is_asked_about() -> None:
    report = audit_accumulation(difference(1e-3), PARTS, counts=COUNTS)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None)
    assert "Update(before, after, learning_rate)" in report.claim


def test_the_smaller_the_learning_rate_the_more_is_allowed_for() -> None:
    tolerated = []
    for rate in (1e-1, 1e-2, 1e-3, 1e-4):
        report = audit_accumulation(Update(THETA, stepped(A, rate), rate), PARTS, counts=COUNTS)
        assert report.ok is not False
        assert report.tolerated is not None
        tolerated.append(report.tolerated)
    assert tolerated == sorted(tolerated)
    assert tolerated[-1] == pytest.approx(10 * tolerated[-2], rel=1e-2)


def test_a_step_far_beyond_the_rounding_is_not_excused() -> None:
    stray = random_parts(1, seed=9, dtype=np.float32)[0]
    after = stepped(plus(A, stray), RATE)
    report = audit_accumulation(Update(THETA, after, RATE), PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED


def test_the_learning_rate_and_the_factor_that_is_meant_are_both_divided_out() -> None:
    after = stepped(times(A, 4.0), RATE)
    update = Update(THETA, after, RATE)
    assert audit_accumulation(update, PARTS, counts=COUNTS, expect_factor=4).ok is True
    assert audit_accumulation(update, PARTS, counts=COUNTS).verdict is Verdict.RESCALED


def test_parameters_may_be_made_as_a_generator_goes_and_lack_a_gradient() -> None:
    after = stepped(A, RATE)
    parts = ({**part, "frozen": None} for part in PARTS)
    update = Update({**THETA, "frozen": None}, {**after, "frozen": None}, RATE)
    assert audit_accumulation(update, parts, counts=COUNTS).ok is True
    still = np.ones(3, np.float32)
    update = Update({**THETA, "still": still}, {**after, "still": still.copy()}, RATE)
    held = [{**part, "still": None} for part in PARTS]
    assert audit_accumulation(update, held, counts=COUNTS).ok is True


def test_an_update_of_bare_arrays_is_read() -> None:
    rng = np.random.default_rng(0)
    parts, before = list(rng.standard_normal((2, 100))), rng.standard_normal(100)
    after = before - 0.1 * (0.25 * parts[0] + 0.75 * parts[1])
    report = audit_accumulation(Update(before, after, 0.1), parts, counts=[1, 3])
    assert report.check().weights == pytest.approx((0.25, 0.75))


def test_the_parameters_of_an_update_may_be_an_extra_column_as_well() -> None:
    decayed = plus(A, THETA, 0.5)
    after = stepped(decayed, RATE)
    for theta in (THETA, after):
        report = audit_accumulation(
            Update(THETA, after, RATE), PARTS, counts=COUNTS, extra={"theta": theta}
        )
        assert report.verdict is Verdict.EXTRA_TERM
        assert "the mean gradient" in report.claim
    right = Update(THETA, stepped(A, RATE), RATE)
    assert audit_accumulation(right, PARTS, counts=COUNTS, extra={"theta": THETA}).ok is True


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("before", "after", "extra", "message"),
    [
        (THETA, THETA, A, r"accumulated\.after\['w'\] must not share memory with accumulated\.b"),
        (THETA, THETA, THETA, r"accumulated\.after\['w'\] must not share memory with accumulated"),
        (THETA, A, PARTS[0], r"extra\['theta'\]\['w'\] must not share memory with parts\[0\]"),
        (PARTS[0], A, THETA, r"accumulated\.before\['w'\] must not share memory with parts\[0\]"),
    ],
)
def test_no_other_memory_may_be_shared_beside_an_update(
    before: Gradient, after: Gradient, extra: Gradient, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        audit_accumulation(
            Update(before, after, RATE), PARTS, counts=COUNTS, extra={"theta": extra}
        )


@pytest.mark.bad_input
def test_an_extra_column_may_not_be_a_itself_nor_another_column() -> None:
    with pytest.raises(ValueError, match=r"extra\['x'\]\['w'\] must not share memory with acc"):
        audit_accumulation(A, PARTS, counts=COUNTS, extra={"x": A})
    with pytest.raises(ValueError, match=r"extra\['y'\]\['w'\] must not share memory with extra"):
        audit_accumulation(A, PARTS, counts=COUNTS, extra={"x": THETA, "y": THETA})
