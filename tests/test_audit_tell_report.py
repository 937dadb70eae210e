"""The report: as text, HTML, JSON and figure."""

import html
import json
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from audits import COUNTS, PARTS, RIGHT, plus, random_parts, report_of, times, weighted

from gradexplain import PerWorker, Report, Term, Verdict, audit_accumulation, sketch
from gradexplain.audit.judge.case import Case, Finding, Parts, note
from gradexplain.audit.judge.weights import Weights
from gradexplain.audit.tell.advice import QUESTIONS, TO_DO, TO_DO_FOR, fitting
from gradexplain.audit.tell.report import _notes_of_terms, _parts
from gradexplain.audit.tell.words import SENTENCES

MEAN_OF_MEANS = """\
MEAN OF MEANS: audit of 4 parts, 641 numbers each
A weighs every part alike, times 4.

part      count   expected       read   read/expected
   0         10    0.07407          1            13.5
   1         90     0.6667          1             1.5
   2         30     0.2222          1             4.5
   3          5    0.03704          1              27"""


def test_the_report_prints_verdict_table_measures_and_what_to_do() -> None:
    printed = str(report_of([1, 1, 1, 1]))
    lines = printed.splitlines()
    assert printed.startswith(MEAN_OF_MEANS + "\nrelative error 2.19, angle 43.4°; ")
    assert (
        "of A is outside the parts' span, where rounding leaves up to 1e−05% in float64 (the "
        "arrays' type)"
    ) in " ".join(lines)
    assert (
        "note: K = 4: summed over the parts, never divided; or parts already divided by K."
    ) in " ".join(printed.split())
    assert any(line.startswith("do:   Add up summed losses") for line in lines)
    assert sum(line.startswith("ask:  ") for line in lines) == 4


def many_reports() -> list[Report]:
    rng = np.random.default_rng(0)
    many = random_parts(40, dtype=np.float32)
    named = [
        {f"a.very.long.name.of.a.layer.{k}" * 3: p["w"], "b": p["b"]}
        for k, p in [(0, p) for p in PARTS]
    ]
    uneven = weighted(RIGHT, named)
    uneven = {name: value * (2 if "long" in name else 1) for name, value in uneven.items()}
    zero = [*PARTS[:3], {name: 0 * value for name, value in PARTS[3].items()}]
    workers = PerWorker([weighted(np.eye(40)[w], many) for w in range(3)])
    terms = {"an_auxiliary_term_of_the_loss": Term(random_parts(4, seed=5), [1, 2, 3, 4], 0.1)}
    return [
        report_of(RIGHT),
        report_of(RIGHT * 1e-12),
        report_of(RIGHT * -1e12),
        report_of([0, 0, 0, 0]),
        report_of(RIGHT, parts=zero),
        report_of(rng.random(40), parts=many, counts=1e7 * rng.random(40)),
        report_of(np.ones(40) / 40, parts=many, counts=np.arange(40)),
        report_of(RIGHT, full=weighted([0.4, 0.3, 0.2, 0.1], PARTS)),
        report_of(RIGHT, full=random_parts(1, seed=9)[0]),
        audit_accumulation(uneven, named, counts=COUNTS),
        report_of([1, 0, 0, 0], counts=None, full=random_parts(1, seed=9)[0]),
        report_of([0.1234567, 0.2345678, 1e-9, -3.4567e-5]),
        audit_accumulation(workers, many, counts=np.arange(40)),
        report_of(RIGHT, terms=terms, groups=list("aabb")),
        report_of([0.3, 0.3, 0.2, 0.1], expect="part", also={"sequences": [3, 3, 2, 1]}),
        report_of(np.ones(4) / 135),
    ]


def test_no_line_is_longer_than_76_columns() -> None:
    for report in many_reports():
        assert max(map(len, str(report).splitlines())) <= 76, str(report)


def test_of_many_parts_those_furthest_from_expected_are_shown() -> None:
    parts, counts = random_parts(40), np.arange(1.0, 41.0)
    weights = counts / counts.sum()
    weights[[7, 31]] *= 1.5
    lines = str(report_of(weights, parts=parts, counts=counts)).splitlines()
    rows = [line.split() for line in lines[4:16]]
    assert {"7", "31"} < {row[0] for row in rows}
    assert lines[16] == "… and 28 more parts, nearer to expected"


def test_weights_that_cannot_be_read_are_question_marks_and_none_in_json() -> None:
    zero = [*PARTS[:3], {name: 0 * value for name, value in PARTS[3].items()}]
    report = report_of(RIGHT, parts=zero)
    assert report.weights[3] is report.parts[3].uncertainty is report.ratios[3] is None
    assert "   3          5    0.03704          ?               ?" in str(report)
    last = json.loads(json.dumps(report.to_dict()))["parts"][3]
    assert (last["term"], last["weight"]) == ("", None)


def test_weights_that_are_zero_to_rounding_are_printed_as_zero() -> None:
    assert "   1         90     0.6667          0               0" in str(
        report_of(RIGHT * [1, 0, 1, 1])
    )


def test_to_dict_is_json_with_every_field_and_no_nan() -> None:
    keys = {
        "schema", "ok", "verdict", "title", "claim", "head", "intended", "parts", "factor",
        "details", "notes", "to_do", "questions", "terms", "parameters", "workers",
        "relative_error", "angle", "outside", "tolerated", "arithmetic",
    }  # fmt: skip
    for report in many_reports():
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert set(found) == keys
        assert found["schema"] == 1
        assert Verdict(found["verdict"]) is report.verdict
        assert found["ok"] is report.ok
        assert found["title"] == report.summary.split(":")[0]
        for part, given in zip(found["parts"], report.parts, strict=True):
            assert part == {**vars(given), "ratio": given.ratio}
        assert [(each["term"], each["verdict"]) for each in found["terms"]] == [
            (name, verdict.value) for name, verdict, _ in report.terms
        ]


def test_a_notebook_shows_the_text_escaped() -> None:
    report = audit_accumulation(
        {"<b>": 2 * PARTS[0]["w"], "c": 1 * PARTS[0]["b"]},
        [{"<b>": part["w"], "c": part["b"]} for part in PARTS],
        counts=COUNTS,
    )
    shown = report._repr_html_()
    assert shown == f"<pre>{html.escape(str(report))}</pre>"
    assert "&lt;b&gt;: " in shown
    assert "<b>" not in shown


def test_a_report_can_t_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        report_of(RIGHT).ok = None  # type: ignore[misc]  # that is the point


@pytest.mark.figures
def test_plot_draws_the_ratios() -> None:
    written = [text.get_text() for text in report_of([0.2] * 4).plot().axes[0].texts]
    assert [text for text in written if text[0].isdigit()] == ["2.7", "0.3", "0.9", "5.4"]


def test_every_verdict_has_advice() -> None:
    assert set(TO_DO) == set(QUESTIONS) == set(Verdict)
    silent = {Verdict.EXACT, Verdict.AMBIGUOUS, Verdict.PARTS_ARE_SUMS}
    assert {verdict for verdict in Verdict if not QUESTIONS[verdict]} == silent
    for verdict in set(Verdict) - silent:
        assert all("?" in question for question in QUESTIONS[verdict])
    assert TO_DO_FOR.keys() <= SENTENCES.keys()


def test_only_causes_on_the_factor_s_side_of_one_are_asked_about() -> None:
    usual = QUESTIONS[Verdict.RESCALED]
    small, large = (report_of([x * weight for weight in RIGHT]).questions for x in (0.5, 2))
    assert set(small) | set(large) == set(usual)
    assert not set(small) & set(large)
    assert any("clipped" in one for one in small)
    assert any("power of two" in one for one in large)
    opposite = Finding(
        Verdict.RESCALED,
        note("terms", wrong=(), right=()),
        terms=tuple(
            (f"times {x}", Finding(Verdict.RESCALED, note("factor", name="K", value=x), x))
            for x in (0.5, 2.0)
        ),
    )
    assert fitting(usual, opposite.factors) == fitting(usual, [1.0]) == usual


# Right, wrong, or neither


@pytest.mark.parametrize(
    ("weights", "ok"), [(RIGHT, True), ([0.25] * 4, False), ([1 / 135] * 4, None)]
)
def test_a_report_is_checked_by_ok_and_has_no_truth_value(weights: Any, *, ok: bool | None) -> None:
    report = report_of(weights)
    assert report.ok is ok
    if ok:
        assert report.check() is report
    else:
        with pytest.raises(AssertionError) as caught:
            report.check()
        assert str(caught.value) == str(report)
    with pytest.raises(TypeError, match=r"^a Report has no truth value: use report\.ok"):
        bool(report)


def test_a_report_s_summary_is_one_line_and_its_repr() -> None:
    report = report_of([0.25] * 4)
    assert report.summary == "mean of means: A weighs every part alike."
    assert repr(report) == f"<Report {report.summary}>"


def test_its_line_says_what_equal_counts_hide() -> None:
    parts = [np.random.default_rng(k).standard_normal(50) for k in range(2)]
    alike, own = (parts[0] + parts[1]) / 2, 0.25 * parts[0] + 0.75 * parts[1]
    report = audit_accumulation(alike, parts, counts=[5, 5])
    assert report.line == (
        "exact: A is the mean gradient. The counts are equal, so a mean of means would look the "
        "same."
    )
    for gradient, counts in ((own, [5, 15]), (alike, [5, 15])):
        report = audit_accumulation(gradient, parts, counts=counts)
        assert report.line == report.summary


def test_a_failed_check_hides_its_frame_from_pytest() -> None:
    with pytest.raises(AssertionError) as caught:
        report_of([0.25] * 4).check()
    assert caught.traceback[-1].frame.f_locals["__tracebackhide__"] is True


@pytest.mark.parametrize(
    ("K", "extra", "head"),
    [
        (1, {}, "audit of 1 part, 641 numbers each"),
        (2, {}, "audit of 2 parts, 641 numbers each"),
    ],
)
def test_the_first_line_says_how_much_was_audited(K: int, extra: dict[str, Any], head: str) -> None:
    report = report_of([0.5] * K, counts=[3] * K, parts=PARTS[:K], **extra)
    assert report.head == head
    sketched = audit_accumulation(
        sketch(weighted([0.5] * K, PARTS[:K])),
        [sketch(part) for part in PARTS[:K]],
        counts=[3] * K,
    )
    assert sketched.head == f"{head}, sketched"
    assert str(sketched).splitlines()[0].endswith(f": {head}, sketched")


def test_measures_that_nobody_knows_are_unknown() -> None:
    nothing = [times(part, 0.0) for part in PARTS]
    report = report_of(RIGHT, parts=nothing)
    assert (report.relative_error, report.angle) == (None, None)
    assert "relative error unknown, angle unknown; " in str(report)


@pytest.mark.parametrize(
    ("kind", "weights", "known"),
    [
        ("arithmetic", RIGHT, {"noise": 1e-3}),
        ("too few numbers", RIGHT, {"numbers": 12}),
        ("all zero", RIGHT, {"scale": 0.0}),
    ],
)
def test_some_findings_have_advice_of_their_own(
    kind: str, weights: Any, known: dict[str, float]
) -> None:
    parts = [
        {"w": part["w"].ravel()[: int(known.get("numbers", 600))] * known.get("scale", 1.0)}
        for part in random_parts(dtype=np.float32)
    ]
    A = weighted(weights, parts)
    noise = np.random.default_rng(0).standard_normal(A["w"].shape).astype(np.float32)
    A["w"] = A["w"] + np.float32(known.get("noise", 0.0)) * noise
    report = audit_accumulation(A, parts, counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.to_do == TO_DO_FOR[kind]


def test_a_part_is_read_beside_the_extra_columns_where_these_explain_a() -> None:
    theta = random_parts(1, seed=9)[0]
    A = plus(weighted(RIGHT, PARTS), theta, 0.5)
    report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert report.weights == pytest.approx(RIGHT, rel=1e-6)
    assert len(report.parts) == 4


def test_a_weight_that_is_uncertain_or_was_not_read_at_all_is_unknown() -> None:
    read = Weights(np.ones(3) / 3, np.array([0.2, 0.0, np.inf]), 0.0, np.eye(3))
    case = Case(read, Parts(np.ones(3) / 3, np.zeros(3)))
    assert [part.weight for part in _parts(case, read)] == [None, 1 / 3, None]
    assert [part.uncertainty for part in _parts(case, read)] == [None, 0.0, None]


def test_a_note_of_a_term_names_its_parts() -> None:
    term = Finding(Verdict.EXACT, note("exact"), notes=(note("but unread", parts=(1,)),))
    found = Finding(Verdict.EXACT, note("exact"), terms=(("aux", term),))
    [said] = _notes_of_terms(found)
    assert said.startswith("aux: The weights of aux[1] cannot be determined")
