"""The report: as text, HTML, JSON and figure."""

import html
import json
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, weighted

from gradexplain import Report, Verdict, audit_accumulation
from gradexplain.audit.tell.advice import QUESTIONS, TO_DO

PARTS = random_parts()


def report_of(
    weights: Any, counts: Any = COUNTS, parts: list[Gradient] = PARTS, **more: Any
) -> Report:
    return audit_accumulation(weighted(weights, parts), parts, counts=counts, **more)


MEAN_OF_MEANS = """\
MEAN OF MEANS: audit of 4 parts, 641 numbers each
A weighs every part alike, times 4.

 part      count      right    implied   implied/right
    0         10    0.07407          1            13.5
    1         90     0.6667          1             1.5
    2         30     0.2222          1             4.5
    3          5    0.03704          1              27"""


def test_the_report_prints_verdict_table_measures_and_what_to_do() -> None:
    printed = str(report_of([1, 1, 1, 1]))
    lines = printed.splitlines()
    assert printed.startswith(MEAN_OF_MEANS + "\nrelative error ")
    assert "tolerated 1e−07 (the floor)" in " ".join(lines)
    assert (
        "note: K = 4: summed over the parts, never divided; or parts already divided by K" in lines
    )
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
    ]


def test_no_line_is_longer_than_80_columns() -> None:
    for report in many_reports():
        assert max(map(len, str(report).splitlines())) <= 80, str(report)


def test_of_many_parts_those_furthest_from_right_are_shown() -> None:
    parts, counts = random_parts(40), np.arange(1.0, 41.0)
    weights = counts / counts.sum()
    weights[[7, 31]] *= 1.5
    lines = str(report_of(weights, parts=parts, counts=counts)).splitlines()
    rows = [line.split() for line in lines[4:16]]
    assert {"7", "31"} < {row[0] for row in rows}
    assert lines[16] == " … and 28 more parts, nearer to right"


def test_weights_that_can_t_be_told_are_question_marks_and_none_in_json() -> None:
    zero = [*PARTS[:3], {name: 0 * value for name, value in PARTS[3].items()}]
    report = report_of(RIGHT, parts=zero)
    assert report.weights[3] is report.blur[3] is report.ratios[3] is None
    assert "    3          5    0.03704          ?               ?" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["implied"][3] is None


def test_weights_that_are_zero_to_rounding_are_printed_as_zero() -> None:
    assert "    1         90     0.6667          0               0" in str(
        report_of(RIGHT * [1, 0, 1, 1])
    )


def test_to_dict_is_json_with_every_field_and_no_nan() -> None:
    keys = {
        "schema", "verdict", "says", "implied", "right", "blur", "counts", "factor", "ratios",
        "relative_error", "angle", "residual", "tolerance", "why", "to_do", "questions", "notes",
        "parameters", "code", "size", "sketched",
    }  # fmt: skip
    for report in many_reports():
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert set(found) == keys
        assert found["schema"] == 1
        assert Verdict(found["verdict"]) is report.verdict


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
        report_of(RIGHT).code = 0  # type: ignore[misc]  # that is the point


@pytest.mark.figures
def test_plot_draws_the_ratios() -> None:
    written = [text.get_text() for text in report_of([0.2] * 4).plot().axes[0].texts]
    assert [text for text in written if text[0].isdigit()] == ["2.7", "0.3", "0.9", "5.4"]


def test_every_verdict_has_advice() -> None:
    assert set(TO_DO) == set(QUESTIONS) == set(Verdict)
    silent = {Verdict.EXACT, Verdict.AMBIGUOUS}
    assert {verdict for verdict in Verdict if not QUESTIONS[verdict]} == silent
    for verdict in set(Verdict) - silent:
        assert all("?" in question for question in QUESTIONS[verdict])
