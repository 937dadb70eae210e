"""The verdicts: for each step of the decision, what makes it and what nearly makes it."""

import numpy as np
import numpy.typing as npt
import pytest
from audits import Gradient, plus, random_parts, times, weighted

from gradexplain import Report, Verdict, audit_accumulation, sketch
from gradexplain.audit.verdict import ORDER

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts()
K = len(PARTS)
ALIKE = np.ones(K) / K


def verdict_of(weights: npt.ArrayLike, **options: object) -> Report:
    return audit_accumulation(weighted(np.asarray(weights), PARTS), PARTS, COUNTS, **options)  # type: ignore[arg-type]


def without(k: int, weights: npt.NDArray[np.float64] = RIGHT) -> npt.NDArray[np.float64]:
    rest = weights.copy()
    rest[k] = 0
    return rest


def nudged(k: int, by: float) -> npt.NDArray[np.float64]:
    weights = RIGHT.copy()
    weights[k] += by
    return weights


# Exact, and what keeps it from being said


def test_the_right_weights_are_exact_by_counts_and_by_the_full_gradient() -> None:
    A = weighted(RIGHT, PARTS)
    for report in (
        audit_accumulation(A, PARTS, COUNTS),
        audit_accumulation(A, PARTS, full=weighted(RIGHT, PARTS)),
        audit_accumulation(A, PARTS, COUNTS, full=weighted(RIGHT, PARTS)),
    ):
        assert (report.verdict, report.code, report.notes) == (Verdict.EXACT, 0, ())
        assert report.implied == pytest.approx(RIGHT, rel=1e-7)
        assert report.relative_error is not None
        assert report.relative_error < 1e-12


@pytest.mark.parametrize("k", range(K))
def test_one_weight_off_by_a_millionth_is_not_exact(k: int) -> None:
    assert verdict_of(nudged(k, 1e-6)).verdict is Verdict.REWEIGHTED
    assert verdict_of(nudged(k, 1e-12)).verdict is Verdict.EXACT


def test_equal_counts_are_exact_with_a_note_that_they_could_not_have_shown_more() -> None:
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, [7, 7, 7, 7])
    assert report.verdict is Verdict.EXACT
    assert "counts are equal" in report.notes[0]
    nearly = audit_accumulation(weighted(ALIKE, PARTS), PARTS, [7, 7, 7, 7.001])
    assert nearly.verdict is Verdict.MEAN_OF_MEANS


def test_equal_counts_seen_through_the_full_gradient_alone() -> None:
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, full=weighted(ALIKE, PARTS))
    assert report.verdict is Verdict.EXACT
    assert "counts are equal" in report.notes[0]


def test_one_part_shows_no_averaging_but_does_show_a_factor() -> None:
    one = PARTS[:1]
    assert audit_accumulation(weighted([1], one), one, [5]).verdict is Verdict.AMBIGUOUS
    assert audit_accumulation(weighted([0.5], one), one, [5]).verdict is Verdict.RESCALED


def test_identical_parts_could_hide_any_weights() -> None:
    parts = [PARTS[0], weighted([1], PARTS[:1]), weighted([1], PARTS[:1])]
    report = audit_accumulation(weighted([1], PARTS[:1]), parts, [10, 90, 30])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "one that weighs every part alike" in report.says
    assert "one without parts[0]" in report.says
    assert "unequal counts" in report.to_do


def test_parallel_parts_of_other_lengths_are_exact_for_no_fault_would_look_the_same() -> None:
    parts = [PARTS[0], times(PARTS[0], 3.0), PARTS[1]]
    counts = np.array([10, 90, 30])
    A = weighted(counts / 130, parts)
    assert audit_accumulation(A, parts, counts).verdict is Verdict.EXACT
    A = weighted([1 / 3] * 3, parts)
    assert audit_accumulation(A, parts, counts).verdict is Verdict.MEAN_OF_MEANS


def test_a_part_of_zeros_could_have_been_dropped() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert "one without parts[3]" in report.says
    assert report.implied[3] is None
    parts = [*PARTS[:3], times(PARTS[3], 1e-3)]
    assert audit_accumulation(weighted(RIGHT, parts), parts, COUNTS).verdict is Verdict.EXACT


def test_a_part_of_zeros_without_targets_takes_no_part() -> None:
    parts, counts = [*PARTS[:3], times(PARTS[3], 0.0)], np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted(counts / 130, parts), parts, counts)
    assert report.verdict is Verdict.EXACT
    wrong = audit_accumulation(weighted(ALIKE, parts), parts, counts)
    assert wrong.verdict is Verdict.MEAN_OF_MEANS


def test_a_mean_of_zero_could_have_any_factor() -> None:
    parts = [PARTS[0], times(PARTS[0], -1 / 9)]
    report = audit_accumulation(weighted([0.1, 0.9], parts), parts, [10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "any factor" in report.says
    longer = [PARTS[0], times(PARTS[0], -1.001 / 9)]
    told = audit_accumulation(weighted([0.1, 0.9], longer), longer, [10, 90])
    assert told.verdict is Verdict.EXACT  # each weight is hidden, but no fault would look the same
    assert told.implied == (None, None)


def test_a_mean_of_zero_but_for_rounding_could_have_any_factor() -> None:
    parts = [{n: v.astype(np.float16) for n, v in PARTS[0].items()}]
    parts.append({name: np.float16(-1 / 9) * value for name, value in parts[0].items()})
    A = weighted([0.1, 0.9], parts)
    assert A["w"].any()
    report = audit_accumulation(A, parts, [10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "any factor" in report.says


def test_parts_of_zeros_alone_say_nothing() -> None:
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, nothing), nothing, COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.says == "Every part is zero: no weight leaves a trace."
    from_nowhere = audit_accumulation(PARTS[0], nothing, COUNTS)
    assert from_nowhere.verdict is Verdict.UNEXPLAINED


@pytest.mark.parametrize(("P", "verdict"), [(13, Verdict.AMBIGUOUS), (14, Verdict.EXACT)])
def test_fewer_than_ten_numbers_to_spare_are_too_few(P: int, verdict: Verdict) -> None:
    parts = [{"w": part["w"].ravel()[:P]} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS)
    assert report.verdict is verdict
    padded = [{"w": np.concatenate([part["w"], np.zeros(1000)])} for part in parts]
    report = audit_accumulation(weighted(RIGHT, padded), padded, COUNTS)
    assert report.verdict is verdict  # zeros are no evidence


# The full gradient


def test_a_full_gradient_outside_the_span_is_no_mean() -> None:
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-3)
    report = verdict_of(RIGHT, full=F)
    assert (report.verdict, report.code) == (Verdict.NOT_A_MEAN, 1)
    assert report.notes == ("A is the mean of the parts by their counts",)
    without_counts = audit_accumulation(weighted(RIGHT, PARTS), PARTS, full=F)
    assert without_counts.verdict is Verdict.NOT_A_MEAN
    assert without_counts.right == (None,) * K
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-9)
    assert verdict_of(RIGHT, full=F).verdict is Verdict.EXACT


def test_a_that_meets_the_full_gradient_is_exact_whatever_the_parts_are() -> None:
    F = random_parts(1, seed=9)[0]
    report = audit_accumulation(times(F, 1.0), PARTS, COUNTS, full=F)
    assert report.verdict is Verdict.EXACT
    assert "could not have made A" in report.notes[0]
    assert audit_accumulation(times(F, 1.001), PARTS, full=F).verdict is Verdict.NOT_A_MEAN


def test_a_full_gradient_with_other_weights_shows_that_the_counts_are_not_the_loss_s() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = verdict_of(RIGHT, full=F)
    assert (report.verdict, report.code) == (Verdict.COUNTS_DIFFER, 1)
    assert report.notes[0] == "F's weights: 0.4, 0.3, 0.2, 0.1"
    report = verdict_of([0.4, 0.3, 0.2, 0.1], full=F)
    assert (report.verdict, report.code) == (Verdict.COUNTS_DIFFER, 2)
    assert report.notes[-1] == "A is the full gradient: only the counts handed in are wrong"
    nearly = verdict_of(RIGHT, full=weighted(nudged(0, 1e-9), PARTS))
    assert nearly.verdict is Verdict.EXACT


def test_without_counts_the_full_gradient_s_weights_are_the_right_ones() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, full=F)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.right == pytest.approx([0.4, 0.3, 0.2, 0.1], rel=1e-7)
    assert report.counts is None


def test_a_first_part_that_can_t_be_repeated_hides_the_weights() -> None:
    moved = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-4)
    report = verdict_of(RIGHT, again=moved)
    assert (report.verdict, report.code) == (Verdict.NOT_REPRODUCIBLE, 2)
    moved = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-9)
    assert verdict_of(RIGHT, again=moved).verdict is Verdict.EXACT


def test_too_few_numbers_are_no_proof_against_the_counts() -> None:
    parts = [{"w": part["w"].ravel()[:13]} for part in PARTS]
    F = weighted([0.4, 0.3, 0.2, 0.1], parts)
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS, full=F)
    assert report.verdict is Verdict.AMBIGUOUS


# Factors


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (K, "K = 4: summed over the parts, never divided; or parts already divided by K"),
        (1 / K, "1/K = 1/4: divided by the number of parts once too often"),
        (2, "the number of groups, 2: summed over the groups, never divided"),
        (1 / 2, "1/2: divided by the number of groups once too often"),
        (135, "n = 135: summed over the targets, never divided"),
        (1 / 135, "1/n = 1/135: divided by the total count once too often"),
        (
            4 / 135,
            "K/n = 4/135: the parts handed in are sums, not means; then A may well be right",
        ),
        (135 / 4, "n/K = 135/4: multiplied by the mean count"),
        (65536, "2^16: a loss scale that was not taken out"),
        (2**-5, "2^-5: a loss scale that was not taken out"),
        (-1, "negative: a sign was turned"),
    ],
)
def test_common_factors_are_named(factor: float, name: str) -> None:
    report = verdict_of(factor * RIGHT, groups="aabb")
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(factor, rel=1e-9)
    assert name in report.notes
    nearly = verdict_of(1.001 * factor * RIGHT, groups="aabb")
    assert nearly.verdict is Verdict.RESCALED
    assert set(nearly.notes) <= {"negative: a sign was turned"}


def test_all_names_of_one_factor_are_given() -> None:
    parts, counts = random_parts(16), np.arange(1.0, 17.0)
    A = weighted(16 * counts / counts.sum(), parts)
    report = audit_accumulation(A, parts, counts, groups=range(16))
    assert [note.split(":")[0] for note in report.notes] == [
        "K = 16",
        "the number of groups, 16",
        "2^4",
    ]


def test_an_uncommon_factor_is_a_number() -> None:
    report = verdict_of(0.37 * RIGHT)
    assert (report.verdict, report.says) == (
        Verdict.RESCALED,
        "A is the mean gradient, times 0.37.",
    )


def test_a_factor_that_is_meant_is_divided_out() -> None:
    report = verdict_of(8 * RIGHT, expect_factor=8.0)
    assert report.verdict is Verdict.EXACT
    assert report.notes == ("A was divided by the factor that it is meant to have, 8",)
    assert verdict_of(8 * RIGHT, expect_factor=4.0).verdict is Verdict.RESCALED


def test_small_powers_of_two_are_no_loss_scales() -> None:
    assert verdict_of(2 * RIGHT).notes == verdict_of(RIGHT / 8).notes == ()


def test_an_uncommon_factor_needs_weights_that_can_be_read() -> None:
    """Of nearly parallel parts, one left out would look like a factor."""
    parts = [PARTS[0], plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7), PARTS[1]]
    counts = np.array([10, 90, 30])
    report = audit_accumulation(weighted(0.37 * counts / 130, parts), parts, counts)
    assert report.verdict is Verdict.AMBIGUOUS
    report = audit_accumulation(weighted(3 * counts / 130, parts), parts, counts)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[0].startswith("K = 3")
    assert report.notes[1].startswith("parts[0] and parts[1] cannot be told")


def test_a_factor_that_dropping_an_unseen_part_would_give_is_ambiguous() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT / RIGHT[:3].sum(), parts), parts, COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.says.endswith("or it is one without parts[3]: each would fit.")
    report = audit_accumulation(weighted(K * RIGHT, parts), parts, COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[-1].startswith("parts[3] cannot be told")


# Means of means, alone and with a factor


@pytest.mark.parametrize("factor", [1.0, K, 1 / K, 0.37, 1 / 135])
def test_a_mean_of_means_and_its_factor_are_told_apart(factor: float) -> None:
    report = verdict_of(factor * ALIKE)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.factor == pytest.approx(factor, rel=1e-9)
    assert verdict_of(factor * (ALIKE + np.array([1e-5, 0, 0, 0]))).verdict is Verdict.REWEIGHTED


def test_sums_handed_in_as_parts_are_asked_after() -> None:
    """The loop is right, but its parts are gradients of sums: every weight is 1/n."""
    sums = [times(part, n) for part, n in zip(PARTS, COUNTS, strict=True)]
    report = audit_accumulation(weighted([1 / 135] * K, sums), sums, COUNTS)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert any("sums, not means; then A may well be right" in note for note in report.notes)


GROUPS = ["a", "a", "a", "b"]
SHARES = RIGHT[:3].sum()


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.append(RIGHT[:3] / SHARES / 2, 1 / 2), "A weighs every group alike."),
        ([1 / 6, 1 / 6, 1 / 6, 1 / 2], "A weighs every group alike, and in it every part."),
        (
            np.append([SHARES / 3] * 3, RIGHT[3]),
            "A weighs the groups rightly, but in each every part alike.",
        ),
    ],
)
def test_means_across_groups_are_told_apart(weights: npt.ArrayLike, says: str) -> None:
    report = verdict_of(weights, groups=GROUPS)
    assert (report.verdict, report.says) == (Verdict.MEAN_OF_GROUP_MEANS, says)
    assert verdict_of(2 * np.asarray(weights), groups=GROUPS).says == f"{says[:-1]}, times 2."
    assert verdict_of(weights).verdict is Verdict.REWEIGHTED  # nobody said that there are groups


def test_groups_that_weigh_what_they_should_are_exact() -> None:
    assert verdict_of(RIGHT, groups=GROUPS).verdict is Verdict.EXACT


def test_two_parallel_candidates_are_ambiguous() -> None:
    parts = [PARTS[0], times(PARTS[0], 2.0)]
    report = audit_accumulation(times(PARTS[0], 5.0), parts, [10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "is the mean gradient, times" in report.says
    assert "weighs every part alike, times" in report.says


def test_a_mean_of_means_of_parts_that_nearly_cancel() -> None:
    """The terms are a thousand times longer than their sum, and round accordingly."""
    parts = [{"w": part["w"]} for part in random_parts(16)]
    mean = sum(part["w"] for part in parts) / 16
    parts = [{"w": (part["w"] - 0.999 * mean).astype(np.float32)} for part in parts]
    A = weighted([1000.0] * 16, parts)
    report = audit_accumulation(A, parts, np.arange(1.0, 17.0))
    assert report.verdict is Verdict.MEAN_OF_MEANS


# Dropped parts


@pytest.mark.parametrize("k", range(K))
def test_a_dropped_part_is_named_with_what_happened_to_the_others(k: int) -> None:
    kept = verdict_of(without(k))
    assert kept.verdict is Verdict.DROPPED
    assert kept.says.endswith("the others keep their proportions, not renormalised.")
    assert f"A lacks parts[{k}];" in kept.says
    renormalised = verdict_of(without(k) / without(k).sum())
    assert renormalised.says.endswith("renormalised to one.")
    scaled = verdict_of(K * without(k))
    assert (scaled.verdict, scaled.says.endswith("times 4.")) == (Verdict.DROPPED, True)
    assert (
        "K = 4: summed over the parts, never divided; or parts already divided by K" in scaled.notes
    )
    alike = verdict_of(without(k, ALIKE))
    assert alike.says.endswith("their proportions, every part alike, times 1.") or (
        "every part alike" in alike.says
    )


def test_a_part_that_nearly_vanishes_is_not_dropped() -> None:
    assert verdict_of(without(1) + 1e-4 * RIGHT * np.eye(K)[1]).verdict is Verdict.REWEIGHTED


def test_only_the_last_part_left() -> None:
    report = verdict_of([0, 0, 0, 1])
    assert report.verdict is Verdict.DROPPED
    assert report.notes[0].startswith("only the last part is left")
    first = verdict_of([1, 0, 0, 0])
    assert first.verdict is Verdict.DROPPED
    assert not any("only the last" in note for note in first.notes)


def test_nothing_left() -> None:
    report = verdict_of([0, 0, 0, 0])
    assert (report.verdict, report.says) == (
        Verdict.DROPPED,
        "A is zero: every part was dropped.",
    )


def test_a_dropped_part_with_the_others_out_of_proportion_is_reweighted() -> None:
    assert verdict_of([0, 0.5, 0.3, 0.2]).verdict is Verdict.REWEIGHTED


def test_a_part_without_targets_can_t_be_dropped() -> None:
    counts = [10, 90, 30, 0]
    report = audit_accumulation(weighted(np.array(counts) / 130, PARTS), PARTS, counts)
    assert report.verdict is Verdict.EXACT


# Reweighted, and its patterns


@pytest.mark.parametrize(
    ("weights", "note"),
    [
        (RIGHT[[1, 0, 2, 3]], "the right weights in another order"),
        (RIGHT * [1, 2, 1, 1], "parts[1] counted twice"),
        (RIGHT * [1, 2, 1, 2], "parts[1] and parts[3] counted twice"),
        (RIGHT**2, "in proportion to the squares of the counts"),
        (1 / RIGHT, "in proportion to one over the counts"),
        ((np.array(COUNTS) + 1) / 139, "in proportion to counts of one target more"),
        ((np.array(COUNTS) - 1) / 131, "in proportion to counts of one target less"),
        ([0.1, 0.9, 0.4, -0.4], "negative weights: parts[3]"),
        (RIGHT * [1, 0.4, 1, 1], "no part weighs more than it should"),
    ],
)
def test_known_patterns_are_named(weights: npt.NDArray[np.float64], note: str) -> None:
    report = verdict_of(weights)
    assert report.verdict is Verdict.REWEIGHTED
    assert any(found.startswith(note) for found in report.notes), report.notes
    nearly = verdict_of(np.asarray(weights) * [1.1, 1.07, 1.05, 0.93])
    assert not any(found.startswith(note) for found in nearly.notes if "negative" not in note)


# Outside the span


def test_parameters_that_each_fit_by_themselves_are_uneven() -> None:
    A = weighted(RIGHT, PARTS)
    report = audit_accumulation({**A, "w": 2 * A["w"]}, PARTS, COUNTS)
    assert report.verdict is Verdict.UNEVEN
    assert report.parameters == (("w", "rescaled, times 2"), ("b", "exact"))
    one = audit_accumulation({**A, "w": weighted(ALIKE, PARTS)["w"]}, PARTS, COUNTS)
    assert dict(one.parameters) == {"w": "mean of means", "b": "exact"}
    noisy = {**A, "w": A["w"] + 1e-4 * np.random.default_rng(0).standard_normal(A["w"].shape)}
    report = audit_accumulation(noisy, PARTS, COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("1 of 3 parameters are off: w",)


def test_a_parameter_too_small_to_be_told_by_itself_is_still_not_exact() -> None:
    A = weighted(RIGHT, PARTS)
    report = audit_accumulation({**A, "scale": 2 * A["scale"]}, PARTS, COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("1 of 3 parameters are off: scale",)


def test_a_short_parameter_beside_a_long_one_is_seen() -> None:
    """By the whole gradient's tolerance alone, a hundredth of a millionth would pass."""
    parts: list[Gradient] = [{"long": p["w"], "short": 1e-5 * p["b"]} for p in PARTS]
    parts = [{name: np.asarray(v, np.float32) for name, v in p.items()} for p in parts]
    A = weighted(RIGHT, parts)
    assert audit_accumulation(A, parts, COUNTS).verdict is Verdict.EXACT
    A["short"] = 1.2 * A["short"]
    report = audit_accumulation(A, parts, COUNTS)
    assert dict(report.parameters) == {"long": "exact", "short": "rescaled, times 1.2"}


def test_an_extra_column_that_explains_the_rest_is_named() -> None:
    theta = random_parts(1, seed=9)[0]
    A = plus(weighted(RIGHT, PARTS), theta, 0.01)
    assert audit_accumulation(A, PARTS, COUNTS).verdict is Verdict.UNEXPLAINED
    report = audit_accumulation(A, PARTS, COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert report.says == (
        "But for extra columns, A is the mean gradient; it holds 0.01 × extra['theta']."
    )
    assert report.implied == pytest.approx(RIGHT, rel=1e-6)
    other = audit_accumulation(A, PARTS, COUNTS, extra={"theta": random_parts(1, seed=10)[0]})
    assert other.verdict is Verdict.UNEXPLAINED


def test_an_extra_term_and_wrong_weights_are_told_apart() -> None:
    previous = random_parts(1, seed=9)[0]
    for weights, text in [
        (ALIKE, "A weighs every part alike;"),
        (K * ALIKE, "A weighs every part alike, times 4;"),
        (K * RIGHT, "A is the mean gradient, times 4;"),
        (np.array([0.4, 0.3, 0.2, 0.1]), "A weighs the parts in another way;"),
    ]:
        A = plus(weighted(weights, PARTS), previous)
        report = audit_accumulation(A, PARTS, COUNTS, extra={"previous": previous})
        assert report.verdict is Verdict.EXTRA_TERM
        assert text in report.says
        assert "1 × extra['previous']" in report.says


def test_decay_on_some_parameters_only() -> None:
    theta = random_parts(1, seed=9)[0]
    A = weighted(RIGHT, PARTS)
    A["w"] = A["w"] + 0.01 * theta["w"]
    report = audit_accumulation(A, PARTS, COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert "0.01 × extra['theta']" in dict(report.parameters)["w"]


def test_parameters_come_before_extra_columns() -> None:
    T = weighted(RIGHT, PARTS)
    A = {**T, "w": 2 * T["w"]}
    column = {"w": T["w"], "b": 0 * T["b"], "scale": 0 * T["scale"]}
    report = audit_accumulation(A, PARTS, COUNTS, extra={"column": column})
    assert report.verdict is Verdict.UNEVEN


def test_an_extra_column_that_is_not_needed_changes_nothing() -> None:
    theta = random_parts(1, seed=9)[0]
    assert verdict_of(RIGHT, extra={"theta": theta}).verdict is Verdict.EXACT


def test_a_shorter_than_what_can_be_read_beside_the_parts_is_ambiguous() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-9)]
    report = audit_accumulation(parts[3], [*parts[:3], times(parts[3], 1.0)], COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.says == "A is too short beside the parts to be read."


def test_a_part_shorter_than_the_rounding_of_the_others_is_not_taken_for_something_else() -> None:
    parts = random_parts(dtype=np.float32)
    parts[3] = {name: np.float32(4e-7) * value for name, value in parts[3].items()}
    A = weighted([0, 0, 0, 1], parts)
    for report in (
        audit_accumulation(A, parts, COUNTS),
        audit_accumulation(sketch(A), [sketch(part) for part in parts], COUNTS),
    ):
        assert report.verdict is Verdict.AMBIGUOUS
        assert report.says.startswith("A may hold parts[3], but beside the other parts")
    stray = times(random_parts(1, seed=9)[0], 4e-7)
    assert audit_accumulation(stray, parts, COUNTS).verdict is Verdict.UNEXPLAINED


# Blurred weights


def test_nearly_parallel_parts_leave_only_their_sum_to_be_read() -> None:
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7)
    parts, counts = [PARTS[0], twin, PARTS[1]], np.array([10, 90, 30])
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, counts)
    assert report.verdict is Verdict.AMBIGUOUS
    assert "parts[0] and parts[1] cannot be told" in report.says
    assert report.notes == (
        f"together, parts[0] and parts[1] weigh {0.6 / (100 / 130):.4g} times what they should",
    )
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-4)
    parts = [PARTS[0], twin, PARTS[1]]
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, counts)
    assert report.verdict is Verdict.REWEIGHTED
    assert report.implied == pytest.approx([0.3, 0.3, 0.4], rel=1e-3)


def test_half_precision_hides_what_single_shows() -> None:
    counts = [1000, 1001, 999, 1000]
    for dtype, verdict in [(np.float16, Verdict.AMBIGUOUS), (np.float32, Verdict.MEAN_OF_MEANS)]:
        parts = random_parts(dtype=dtype, common=3)
        report = audit_accumulation(weighted(ALIKE, parts), parts, counts)
        assert report.verdict is verdict, dtype


def long_halves() -> list[Gradient]:
    rng = np.random.default_rng(0)
    return [{"w": g} for g in rng.standard_normal((4, 20_000)).astype(np.float16)]


def test_weights_that_are_near_but_not_right_are_ambiguous_in_half_precision() -> None:
    """A tenth of a small weight is below the rounding of the sum, but not of the weight."""
    parts, counts = long_halves(), np.array([1, 49, 25, 25])
    assert audit_accumulation(weighted(counts / 100, parts), parts, counts).verdict is Verdict.EXACT
    off = counts / 100 + [0.0012, 0, 0, 0]
    report = audit_accumulation(weighted(off, parts), parts, counts)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.says == "A is near the mean gradient, but rounding hides which weights it has."


def test_half_precision_forgives_a_thousandth_of_a_weight_and_no_hundredth() -> None:
    parts, counts = long_halves(), np.array([10, 40, 25, 25])
    for off, verdict in [(1.001, Verdict.EXACT), (1.01, Verdict.REWEIGHTED)]:
        weights = counts / 100 * [1, off, 1, 1]
        assert audit_accumulation(weighted(weights, parts), parts, counts).verdict is verdict


# On sketches


def test_sketches_give_the_same_verdicts_where_a_is_in_the_span() -> None:
    cases = {
        Verdict.EXACT: RIGHT,
        Verdict.RESCALED: K * RIGHT,
        Verdict.MEAN_OF_MEANS: ALIKE,
        Verdict.DROPPED: without(1),
        Verdict.REWEIGHTED: np.array([0.4, 0.3, 0.2, 0.1]),
    }
    sketches = [sketch(part) for part in PARTS]
    for verdict, weights in cases.items():
        report = audit_accumulation(sketch(weighted(weights, PARTS)), sketches, COUNTS)
        assert report.verdict is verdict
        assert report.sketched
        assert report.implied == pytest.approx(weights, abs=1e-7)


def test_outside_the_span_a_sketch_says_unexplained_and_nothing_finer() -> None:
    A = weighted(RIGHT, PARTS)
    uneven = {**A, "w": 2 * A["w"]}
    sketches = [sketch(part) for part in PARTS]
    report = audit_accumulation(sketch(uneven), sketches, COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert "not to be trusted" in report.notes[0]


def test_every_step_of_the_order_is_a_function_of_the_case() -> None:
    assert [step.__name__ for step in ORDER] == [
        "_all_zero",
        "_irreproducible",
        "against_full",
        "_crowded",
        "_exact",
        "_outside",
        "_nothing_left",
        "_up_to_a_factor",
        "_blurred",
        "_dropped",
        "_reweighted",
    ]
