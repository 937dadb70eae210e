"""Factors that have a name: given where it fits, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, plus, random_parts, times, weighted

from gradexplain import Report, Verdict, audit_accumulation, sketch

PARTS = random_parts()
K = len(PARTS)
ALIKE = np.ones(K) / K


def verdict_of(weights: npt.ArrayLike, **options: object) -> Report:
    A = weighted(np.asarray(weights), PARTS)
    return audit_accumulation(A, PARTS, counts=COUNTS, **options)  # type: ignore[arg-type]


def names(
    factor: float,
    blur: float = 0.0,
    counts: Sequence[float] | None = None,
    groups: Sequence[object] | None = None,
) -> list[str]:
    """Return the beginnings of a factor's names, for three parts of which nothing is read."""
    nothing = Reading(np.eye(3), np.zeros(3), 0.0, np.ones(3) / 3, "float64", 3, 1.0)
    known = Known(
        None if counts is None else np.array(counts),
        None if groups is None else tuple(groups),
        sketched=None,
    )
    case = Case(nothing, np.ones(3) / 3, np.zeros(3), spread=3, roomy=True, known=known)
    return [name.split(":")[0] for name in factor_names(case, factor, blur)]


def test_a_name_reaches_as_far_as_the_factor_s_blur_and_no_further() -> None:
    assert names(3.5, 0.5) == names(-3.5, 0.5) == ["K = 3"]
    assert names(3.5, 0.49) == []
    assert names(17, 1) == ["2^4"]
    assert names(3 * (1 + 9e-7)) == ["K = 3"]  # a millionth is allowed in any case
    assert names(3 * (1 + 11e-7)) == []


def test_counts_and_groups_name_factors_only_where_they_are_known() -> None:
    counts = [0.5, 0.25, 0.125]
    assert names(7 / 8, counts=counts) == ["n = 0.875"]
    assert names(8 / 7, counts=counts) == ["1/n = 1/0.875"]
    assert names(3 / (7 / 8), counts=counts) == ["K/n = 3/0.875"]
    assert names(7 / 24, counts=counts) == ["n/K = 0.875/3"]
    assert names(2, groups="aab") == ["the number of groups, 2"]
    assert names(1 / 2, groups="aab") == ["1/2"]
    assert names(2) == names(1 / 2) == names(7 / 8) == []


def test_a_factor_of_one_has_no_name() -> None:
    """It is shown where a rounding of more than its blur, but less than a millionth, is left."""
    assert names(1 + 5e-7, counts=[1 / 3] * 3, groups="aaa") == []
    assert names(1 + 5e-7) == []
    report = report_of((1 + 5e-7) * RIGHT)
    assert (report.verdict, report.notes) == (Verdict.RESCALED, ())


@pytest.mark.parametrize("power", [-64, -5, -4, 4, 5, 64])
def test_powers_of_two_are_loss_scales(power: int) -> None:
    assert names(2.0**power) == [f"2^{power}"]


@pytest.mark.parametrize("power", [-65, -3, 3, 65])
def test_powers_that_are_too_small_or_too_large_are_none(power: int) -> None:
    assert names(2.0**power) == []


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
    report = audit_accumulation(A, parts, counts=counts, groups=range(16))
    assert [note.split(":")[0] for note in report.notes] == [
        "K = 16",
        "the number of groups, 16",
        "2^4",
    ]


def test_an_uncommon_factor_is_a_number() -> None:
    report = verdict_of(0.37 * RIGHT)
    assert (report.verdict, report.claim) == (
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
    report = audit_accumulation(weighted(0.37 * counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.AMBIGUOUS
    report = audit_accumulation(weighted(3 * counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[0].startswith("K = 3")
    assert report.notes[1].startswith("parts[0] and parts[1] cannot be told")


def test_a_factor_that_dropping_an_unseen_part_would_give_is_ambiguous() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT / RIGHT[:3].sum(), parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim.endswith("or it is one without parts[3]: each would fit.")
    report = audit_accumulation(weighted(K * RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[-1].startswith("parts[3] cannot be told")


@pytest.mark.parametrize("factor", [1.0, K, 1 / K, 0.37, 1 / 135])
def test_a_mean_of_means_and_its_factor_are_told_apart(factor: float) -> None:
    report = verdict_of(factor * ALIKE)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.factor == pytest.approx(factor, rel=1e-9)
    assert verdict_of(factor * (ALIKE + np.array([1e-5, 0, 0, 0]))).verdict is Verdict.REWEIGHTED


def test_a_factor_of_one_is_neither_said_nor_explained() -> None:
    """Not even by a mean count of 1.001, which coarse arithmetic cannot tell from one."""
    A, counts = weighted(np.ones(4) / 4, PARTS), 4.004 * RIGHT
    report = audit_accumulation(A, PARTS, counts=counts, arithmetic="tfloat32")
    assert (report.verdict, report.claim) == (Verdict.MEAN_OF_MEANS, "A weighs every part alike.")
    assert (report.factor, report.notes) == (1.0, ())


def test_a_turned_sign_is_told_beside_a_part_that_cannot_be_read() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-8)]
    report = audit_accumulation(weighted(-RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(-1.0)
    assert report.notes[0] == "negative: a sign was turned"


def test_a_factor_near_one_is_not_called_one() -> None:
    report = verdict_of(1.0001 * RIGHT)
    assert report.claim == "A is the mean gradient, times 1.0001."
