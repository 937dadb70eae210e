"""The report's text, to the letter."""

from dataclasses import replace

import numpy as np
import pytest

from gradexplain import Report, Verdict
from gradexplain.audit.tell.text import Part, table, wrapped


REPORT = Report(
    verdict=Verdict.UNEVEN,
    says="A is this.",
    implied=(0.5, -0.25, 1e-9, None),
    right=(0.25, 0.25, 0.5, 0.0),
    blur=(1e-8, 1e-8, 1e-8, None),
    counts=(1.0, 1.0, 2.0, 0.0),
    factor=1.0,
    relative_error=0.123456,
    angle=12.3456,
    residual=0.5,
    tolerance=1e-7,
    why="the floor",
    to_do="This.",
    questions=("Is it so?", "Or so?"),
    notes=("a note", "another"),
    parameters=(("w", "exact"), ("b", "dropped")),
    code=1,
    size=10,
    sketched=False,
)


def test_a_report_is_printed_to_the_letter() -> None:
    assert str(REPORT) == (
        "UNEVEN ACROSS PARAMETERS: audit of 4 parts, 10 numbers each\n"
        "A is this.\n"
        "\n"
        " part      count      right    implied   implied/right\n"
        "    0          1       0.25        0.5               2\n"
        "    1          1       0.25      −0.25              −1\n"
        "    2          2        0.5          0               0\n"
        "    3          0          0          ?               ?\n"
        "relative error 0.1235, angle 12.35°; outside the parts' span 0.5, tolerated\n"
        "1e−07 (the floor)\n"
        "\n"
        "note: a note\n"
        "note: another\n"
        "w: exact\n"
        "b: dropped\n"
        "do:   This.\n"
        "ask:  Is it so?\n"
        "ask:  Or so?"
    )


@pytest.mark.parametrize(
    ("right", "sketched", "head"),
    [
        ((1.0,), False, "audit of 1 part, 10 numbers each"),
        ((0.5, 0.5), False, "audit of 2 parts, 10 numbers each"),
        ((0.5, 0.5), True, "audit of 2 parts, 10 numbers each, sketched"),
    ],
)
def test_the_first_line_says_how_much_was_audited(
    right: tuple[float, ...], head: str, *, sketched: bool
) -> None:
    report = replace(REPORT, right=right, implied=right, blur=right, counts=None, sketched=sketched)
    assert str(report).splitlines()[0] == f"UNEVEN ACROSS PARAMETERS: {head}"


def test_measures_that_nobody_knows_are_unknown() -> None:
    printed = str(replace(REPORT, relative_error=None, angle=None))
    assert "\nrelative error unknown, angle unknown; outside the parts' span 0.5, " in printed


@pytest.mark.parametrize(("number", "more"), [(12, ""), (13, "\n… and 1 more parameters")])
def test_twelve_parameters_are_printed_and_the_others_counted(number: int, more: str) -> None:
    parameters = tuple((f"layer.{k}", "exact") for k in range(number))
    printed = str(replace(REPORT, parameters=parameters))
    assert f"\nlayer.10: exact\nlayer.11: exact{more}\ndo:   This." in printed


def test_a_ratio_is_known_where_the_weight_its_blur_and_the_right_one_are() -> None:
    report = replace(
        REPORT,
        implied=(0.5, 0.5, -0.1, 0.1, 0.25, 0.5, 0.5),
        right=(0.25, None, 0.2, 0.2, 0.2, 0.0, 0.25),
        blur=(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, None),
    )
    assert report.ratios == (2.0, None, 0.0, 0.0, 1.25, None, None)


def test_lines_are_filled_to_80_columns_and_stand_under_their_label() -> None:
    text = "x" * 30 + " " + "y" * 42 + " " + "z" * 10
    assert wrapped(text, "note: ") == [f"note: {'x' * 30} {'y' * 42}", f"      {'z' * 10}"]
    assert [len(line) for line in wrapped("ab " * 27)] == [80]
    assert [len(line) for line in wrapped("ab " * 27 + "abc")] == [80, 3]
    long = "a.very.long.name.of.a.parameter: "
    assert wrapped("word " * 20, long)[1].index("word") == 24


def part(right: float | None, implied: float | None) -> Part:
    return None, right, implied, implied / right if implied is not None and right else None


def rows(parts: list[Part]) -> list[list[str]]:
    return [line.split() for line in table(parts)[1:]]


def test_a_table_shows_what_is_known_and_how_much_is_not() -> None:
    assert table([part(0.5, 0.25), (1e9, None, -0.25, None)]) == [
        " part      count      right    implied   implied/right",
        "    0          –        0.5       0.25             0.5",
        "    1      1e+09          ?      −0.25               ?",
    ]


def test_twelve_parts_are_shown_in_their_order() -> None:
    parts = [part(0.5, 0.5 + offset) for offset in np.linspace(-1, 1, 13)]
    assert [row[0] for row in rows(parts[:12])] == [str(k) for k in range(12)]
    assert table(parts)[-1] == " … and 1 more parts, nearer to right"
    assert [row[0] for row in rows(parts)[:-1]] == [str(k) for k in range(13) if k != 6]


def test_parts_that_cannot_be_told_are_shown_before_those_that_are_wrong() -> None:
    parts = [part(0.5, 0.0), *[part(0.5, None)] * 6, *[part(None, 0.5)] * 6, part(0.5, 0.0)]
    assert [row[0] for row in rows(parts)[:-1]] == [str(k) for k in range(1, 13)]
