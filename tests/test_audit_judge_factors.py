"""Factors that have a name: given where it fits, and nowhere else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from audits import ALIKE, COUNTS, PARTS, RIGHT, plus, random_parts, report_of, times, weighted

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.judge.case import Case, Note, Parts
from gradexplain.audit.judge.factors import factor_names
from gradexplain.audit.judge.weights import Weights
from gradexplain.audit.tell.sentences import sentence

K = len(PARTS)


def notes_on(
    factor: float,
    uncertainty: float = 0.0,
    counts: Sequence[float] | None = None,
    groups: Sequence[object] | None = None,
    K: int = 3,
) -> list[Note]:
    """Return a factor's names, for K parts of which nothing is read."""
    nothing = Weights(np.zeros(K), np.zeros(K), 0.0, np.eye(K))
    parts = Parts(
        np.ones(K) / K,
        np.zeros(K),
        counts=None if counts is None else np.array(counts, float),
        groups=None if groups is None else tuple(groups),
    )
    return factor_names(Case(nothing, parts), factor, uncertainty)


def names(*args: Any, **options: Any) -> list[str]:
    """Return the same as the beginnings of sentences."""
    return [sentence(found).split(":")[0].rstrip(".") for found in notes_on(*args, **options)]


def test_a_name_reaches_as_far_as_the_factor_s_uncertainty_and_no_further() -> None:
    assert names(3.5, 0.5) == ["K = 3"]
    assert names(-3.5, 0.5) == ["K = 3", "The factor is negative"]
    assert names(3.5, 0.49) == []
    assert names(17, 1) == ["2^4"]
    assert names(3 * (1 + 9e-7)) == ["K = 3"]  # a millionth is allowed in any case
    assert names(3 * (1 + 11e-7)) == []
    assert names(-3 * (1 + 9e-7)) == ["K = 3", "The factor is negative"]


def test_counts_and_groups_name_factors_only_where_they_are_known() -> None:
    counts = [0.5, 0.25, 0.125]
    assert names(7 / 8, counts=counts) == ["n = 0.875"]
    assert names(8 / 7, counts=counts) == ["1/n = 1.143"]
    assert names(3 / (7 / 8), counts=counts) == ["K/n = 3.429"]
    assert names(7 / 24, counts=counts) == ["n/K = 0.2917"]
    assert names(2, groups="aab") == ["W = 2"]
    assert names(1 / 2, groups="aab") == ["1/W = 0.5"]
    assert names(2) == names(1 / 2) == names(7 / 8) == []


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (5 * 2, "K·W"),
        (1 / 10, "1/(K·W)"),
        (5 / 2, "K/W"),
        (2 / 5, "W/K"),
        (5 * 13, "K·n"),
        (1 / 65, "1/(K·n)"),
        (5 / 13, "K/n"),
        (13 / 5, "n/K"),
        (2 * 13, "W·n"),
        (1 / 26, "1/(W·n)"),
        (2 / 13, "W/n"),
        (13 / 2, "n/W"),
        (130, "K·W·n"),
        (1 / 130, "1/(K·W·n)"),
        (10 / 13, "K·W/n"),
        (65 / 2, "K·n/W"),
        (26 / 5, "W·n/K"),
        (5 / 26, "K/(W·n)"),
        (2 / 65, "W/(K·n)"),
        (13 / 10, "n/(K·W)"),
    ],
)
def test_products_and_quotients_of_parts_groups_and_targets_have_a_name(
    factor: float, name: str
) -> None:
    known: dict[str, Any] = {"counts": [1, 2, 3, 3, 4], "groups": "aabbb", "K": 5}
    (found,) = notes_on(factor, **known)
    assert found.kind == "factor"
    assert found.facts["name"] == name
    assert found.facts["value"] == pytest.approx(factor)
    assert sentence(found).startswith(f"{name} = ") or sentence(found).startswith(
        f"The factor is {name} = "
    )
    negative, sign = notes_on(-factor, **known)
    assert (negative.facts["name"], sign.kind) == (name, "sign")


def test_of_many_names_the_four_shortest_are_given() -> None:
    """Four parts, four groups, four targets: each product of one is also one of the others."""
    found = names(4.0, counts=[1, 1, 1, 1], groups="abcd", K=4)
    assert found[:3] == ["K = 4", "W = 4", "n = 4"]
    assert len(found) == 4
    assert found[3].startswith("The factor is ")
    assert found[3].endswith(" = 4")


def test_names_of_one_length_are_in_the_order_of_the_alphabet() -> None:
    assert names(3.5, 0.5, groups="abcc", K=4) == ["K = 4", "W = 3"]


def test_a_factor_of_zero_has_no_name_and_no_sign() -> None:
    assert names(0.0) == []


def test_a_factor_of_one_has_no_name() -> None:
    """It is shown where a rounding of more than its uncertainty is left, but under a millionth."""
    assert names(1 + 5e-7, counts=[1 / 3] * 3, groups="aaa") == []
    assert names(1 + 5e-7) == []
    assert names(-1.0) == ["The factor is negative"]
    report = report_of((1 + 5e-7) * RIGHT)
    assert (report.verdict, report.notes) == (Verdict.RESCALED, ())


@pytest.mark.parametrize("power", [-64, -5, -4, 4, 5, 64])
def test_powers_of_two_are_loss_scales(power: int) -> None:
    assert names(2.0**power) == [f"2^{power}".replace("-", "−")]
    kind = "loss scale" if power > 0 else "loss scale undone"
    assert [found.kind for found in notes_on(-(2.0**power))] == [kind, "sign"]


@pytest.mark.parametrize("power", [-65, -3, 3, 65])
def test_powers_that_are_too_small_or_too_large_are_none(power: int) -> None:
    assert names(2.0**power) == []


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (
            K,
            "K = 4: summed over the parts, never divided; or parts already divided by K.",
        ),
        (1 / K, "1/K = 0.25: divided by the number of parts once too often."),
        (2, "W = 2: summed over the groups, never divided."),
        (2, "K/W = 2: the parts per group: summed inside each group, never divided."),
        (1 / 2, "1/W = 0.5: divided by the number of groups once too often."),
        (8, "K·W = 8: summed over parts and groups, never divided."),
        (135, "n = 135: summed over the targets, never divided."),
        (1 / 135, "1/n = 0.007407: divided by the total count once too often."),
        (4 / 135, "K/n = 0.02963: divided by the mean count."),
        (135 / 4, "n/K = 33.75: multiplied by the mean count."),
        (270, "The factor is W·n = 270."),
        (65536, "2^16: a loss scale that was not divided out."),
        (2**-5, "2^−5: a loss scale that was divided out twice, or never applied."),
        (-1, "The factor is negative: a sign was flipped."),
    ],
)
def test_common_factors_are_named(factor: float, name: str) -> None:
    report = report_of(factor * RIGHT, groups=list("aabb"))
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(factor, rel=1e-9)
    assert name in report.notes
    nearly = report_of(1.001 * factor * RIGHT, groups=list("aabb"))
    assert nearly.verdict is Verdict.RESCALED
    assert set(nearly.notes) <= {"The factor is negative: a sign was flipped."}


def test_all_names_of_one_factor_are_given() -> None:
    parts, counts = random_parts(16), np.arange(1.0, 17.0)
    A = weighted(16 * counts / counts.sum(), parts)
    report = audit_accumulation(A, parts, counts=counts, groups=range(16))
    assert {note.split(":")[0] for note in report.notes} == {"K = 16", "W = 16", "2^4"}


def test_an_uncommon_factor_is_a_number() -> None:
    report = report_of(0.37 * RIGHT)
    assert (report.verdict, report.claim) == (
        Verdict.RESCALED,
        "A is the mean gradient, times 0.37.",
    )


def test_a_factor_that_is_meant_is_divided_out() -> None:
    report = report_of(8 * RIGHT, expect_factor=8.0)
    assert report.verdict is Verdict.EXACT
    assert report.notes == ("A was divided by the factor it is meant to have, 8.",)
    assert report_of(8 * RIGHT, expect_factor=4.0).verdict is Verdict.RESCALED


def test_small_powers_of_two_are_no_loss_scales() -> None:
    assert report_of(2 * RIGHT).notes == report_of(RIGHT / 8).notes == ()


def test_an_uncommon_factor_needs_weights_that_can_be_read() -> None:
    """Of nearly parallel parts, one left out would look like a factor."""
    parts = [PARTS[0], plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7), PARTS[1]]
    counts = np.array([10, 90, 30])
    report = audit_accumulation(weighted(0.37 * counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.AMBIGUOUS
    report = audit_accumulation(weighted(3 * counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[0].startswith("K = 3")
    assert report.notes[1].startswith("The weights of parts[0] and parts[1] cannot be determined")


def test_a_factor_that_dropping_an_unseen_part_would_give_is_ambiguous() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT / RIGHT[:3].sum(), parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == "Several weightings fit A."
    assert report.notes == ("It is the mean gradient, times 1.038.", "It could lack parts[3].")
    report = audit_accumulation(weighted(K * RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.notes[-1].startswith("The weights of parts[3] cannot be determined")


@pytest.mark.parametrize("factor", [1.0, K, 1 / K, 0.37, 1 / 135])
def test_a_mean_of_means_and_its_factor_are_told_apart(factor: float) -> None:
    report = report_of(factor * ALIKE)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.factor == pytest.approx(factor, rel=1e-9)
    assert report_of(factor * (ALIKE + np.array([1e-5, 0, 0, 0]))).verdict is Verdict.REWEIGHTED


def test_a_factor_of_one_is_neither_said_nor_explained() -> None:
    """Not even by a W of 1, which the groups' name for a factor would be."""
    A = weighted(1.001 * ALIKE, PARTS)
    groups = ["all"] * K
    report = audit_accumulation(A, PARTS, counts=COUNTS, groups=groups, arithmetic="tfloat32")
    assert (report.verdict, report.claim) == (Verdict.MEAN_OF_MEANS, "A weighs every part alike.")
    assert (report.factor, report.notes) == (1.0, ())


def test_a_flipped_sign_is_named_beside_a_part_that_cannot_be_read() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-8)]
    report = audit_accumulation(weighted(-RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(-1.0)
    assert report.notes[0] == "The factor is negative: a sign was flipped."


def test_a_factor_near_one_is_not_called_one() -> None:
    report = report_of(1.0001 * RIGHT)
    assert report.claim == "A is the mean gradient, times 1.0001."
