"""The report's text, to the letter."""

from dataclasses import replace

import numpy as np
import pytest

from gradexplain import Report, Verdict
from gradexplain.audit.tell.text import Part, table, wrapped

PARTS = (
    Part("", 0, 1.0, 0.25, 0.5, 1e-8),
    Part("", 1, 1.0, 0.25, -0.25, 1e-8),
    Part("", 2, 2.0, 0.5, 1e-9, 1e-8),
    Part("", 3, 0.0, 0.0, None, None),
)
REPORT = Report(
    ok=False,
    verdict=Verdict.UNEVEN,
    claim="A is this.",
    head="audit of 4 parts, 10 numbers each",
    intended="target",
    parts=PARTS,
    factor=1.0,
    details=("a measure", "another"),
    notes=("A note.", "Another."),
    to_do="This.",
    questions=("Is it so?", "Or so?"),
    parameters=(("w", "A is the mean gradient."), ("b", "It lacks parts[0].")),
)


def test_a_report_is_printed_to_the_letter() -> None:
    assert str(REPORT) == (
        "UNEVEN ACROSS PARAMETERS: audit of 4 parts, 10 numbers each\n"
        "A is this.\n"
        "\n"
        "part      count   expected       read   read/expected\n"
        "   0          1       0.25        0.5               2\n"
        "   1          1       0.25      −0.25              −1\n"
        "   2          2        0.5          0               0\n"
        "   3          0          0          ?               ?\n"
        "a measure\n"
        "another\n"
        "\n"
        "note: A note.\n"
        "note: Another.\n"
        "w: A is the mean gradient.\n"
        "b: It lacks parts[0].\n"
        "do:   This.\n"
        "ask:  Is it so?\n"
        "ask:  Or so?"
    )


def test_parts_of_several_workers_name_theirs_and_fit() -> None:
    parts = [
        Part("a term with a long name", k, 1.0, 0.5, 0.5, 1e-8, worker=k // 100) for k in (7, 1700)
    ]
    head, *rows = table(parts)
    assert head.startswith("               part  worker      count")
    assert rows[0].startswith("   a term with a  7       0          1        0.5")
    assert max(map(len, [head, *rows])) <= 76


def test_terms_and_workers_stand_before_the_notes() -> None:
    report = replace(
        REPORT,
        intended="given",
        terms=(("loss", Verdict.EXACT, "It is right."), ("aux", Verdict.DROPPED, "It is gone.")),
        workers=((0.5, None, -1 / 3), (1e-9, 2.0, 3.0)),
    )
    lines = str(report).splitlines()
    assert lines[2] == "Judged by the weights you gave."
    start = lines.index("loss: exact. It is right.")
    assert lines[start + 1 : start + 5] == [
        "aux: dropped. It is gone.",
        "worker 0: weights 0.5, ?, −0.3333",
        "worker 1: weights 1e−09, 2, 3",
        "note: A note.",
    ]


def test_another_worker_prints_the_verdict_only() -> None:
    assert str(replace(REPORT, quiet=True)) == (
        "UNEVEN ACROSS PARAMETERS: worker 0 prints the report."
    )


def test_terms_are_data_too() -> None:
    report = replace(REPORT, terms=(("aux", Verdict.DROPPED, "It is gone."),))
    assert report.to_dict()["terms"] == [
        {"term": "aux", "verdict": "dropped", "claim": "It is gone."}
    ]


@pytest.mark.parametrize(("number", "more"), [(12, ""), (13, ", …")])
def test_twelve_weights_of_a_worker_are_printed(number: int, more: str) -> None:
    printed = str(replace(REPORT, workers=((0.5,) * number,)))
    shown = f"worker 0: weights {', '.join(['0.5'] * 12)}{more} note: A note."
    assert shown in " ".join(printed.split())


@pytest.mark.parametrize(("number", "more"), [(12, ""), (13, "\n… and 1 more parameters")])
def test_twelve_parameters_are_printed_and_the_others_counted(number: int, more: str) -> None:
    parameters = tuple((f"layer.{k}", "Exact.") for k in range(number))
    printed = str(replace(REPORT, parameters=parameters))
    assert f"\nlayer.10: Exact.\nlayer.11: Exact.{more}\ndo:   This." in printed


@pytest.mark.parametrize(
    ("weight", "expected", "uncertainty", "ratio"),
    [
        (0.5, 0.25, 0.1, 2.0),
        (0.5, None, 0.1, None),
        (-0.1, 0.2, 0.1, 0.0),
        (0.1, 0.2, 0.1, 0.0),
        (0.25, 0.2, 0.1, 1.25),
        (0.5, 0.2, 0.25, 2.5),
        (-0.5, 0.25, 0.1, -2.0),
        (0.5, 0.0, 0.1, None),
        (0.5, 0.25, None, None),
        (None, 0.25, None, None),
    ],
)
def test_a_ratio_is_known_where_the_weight_its_uncertainty_and_the_expected_one_are(
    weight: float | None, expected: float | None, uncertainty: float | None, ratio: float | None
) -> None:
    assert Part("", 0, None, expected, weight, uncertainty).ratio == ratio
    report = replace(REPORT, parts=(Part("", 0, None, expected, weight, uncertainty),))
    assert (report.ratios, report.weights, report.expected) == ((ratio,), (weight,), (expected,))


@pytest.mark.parametrize(
    ("weight", "expected", "uncertainty", "agrees"),
    [
        (0.25, 0.2, 0.1, True),
        (0.15, 0.2, 0.1, True),
        (0.5, 0.2, 0.1, False),
        (0.5, None, 0.1, False),
        (0.5, 0.5, None, False),
        (None, 0.25, None, False),
        (0.0, 0.0, 0.1, False),
    ],
)
def test_a_weight_agrees_within_its_uncertainty_of_what_it_should_be(
    weight: float | None, expected: float | None, uncertainty: float | None, *, agrees: bool
) -> None:
    assert Part("", 0, None, expected, weight, uncertainty).agrees is agrees


def test_lines_are_filled_to_76_columns_and_stand_under_their_label() -> None:
    text = "x" * 30 + " " + "y" * 38 + " " + "z" * 10
    assert wrapped(text, "note: ") == [f"note: {'x' * 30} {'y' * 38}", f"      {'z' * 10}"]
    assert [len(line) for line in wrapped("abc " * 19)] == [75]
    assert [len(line) for line in wrapped("abc " * 18 + "abcd")] == [76]
    assert [len(line) for line in wrapped("abc " * 18 + "abcde")] == [71, 5]
    long = "a.very.long.name.of.a.parameter: "
    assert wrapped("word " * 20, long)[1].index("word") == 24
    assert wrapped("", "w: ") == ["w:"]
    assert wrapped("") == [""]
    assert wrapped("one-hyphened-word " * 5)[0] == "one-hyphened-word " * 3 + "one-hyphened-word"


def part(expected: float | None, weight: float | None, term: str = "", index: int = 0) -> Part:
    return Part(term, index, None, expected, weight, None if weight is None else 1e-9)


def numbered(parts: list[Part]) -> list[Part]:
    return [replace(each, index=k) for k, each in enumerate(parts)]


def rows(parts: list[Part]) -> list[list[str]]:
    return [line.split() for line in table(numbered(parts))[1:]]


def test_a_table_shows_what_is_known_and_how_much_is_not() -> None:
    assert table([part(0.5, 0.25), replace(part(None, -0.25), count=1e9, index=1)]) == [
        "part      count   expected       read   read/expected",
        "   0          –        0.5       0.25             0.5",
        "   1      1e+09          ?      −0.25               ?",
    ]


def test_a_table_of_terms_is_as_wide_as_its_names() -> None:
    parts = [part(0.5, 0.25, "loss", 1), part(0.5, 0.25, "an.auxiliary.term.of.the.loss", 12)]
    assert table(parts) == [
        f"{'part':>25}      count   expected       read   read/expected",
        f"{'loss 1':>25}          –        0.5       0.25             0.5",
        "an.auxiliary.term.of.t 12          –        0.5       0.25             0.5",
    ]
    assert max(map(len, table([*parts, replace(parts[1], index=1234)]))) == 76


def test_twelve_parts_are_shown_in_their_order() -> None:
    parts = [part(0.5, 0.5 + offset) for offset in np.linspace(-1, 1, 13).tolist()]
    assert [row[0] for row in rows(parts[:12])] == [str(k) for k in range(12)]
    assert table(parts)[-1] == "… and 1 more parts, nearer to expected"
    assert [row[0] for row in rows(parts)[:-1]] == [str(k) for k in range(13) if k != 6]


def test_parts_that_cannot_be_read_are_shown_before_those_that_are_wrong() -> None:
    parts = [part(0.5, 0.0), *[part(0.5, None)] * 6, *[part(None, 0.5)] * 6, part(0.5, 0.0)]
    assert [row[0] for row in rows(parts)[:-1]] == [str(k) for k in range(1, 13)]


def test_columns_stay_in_line_and_a_weight_of_one_is_rounded() -> None:
    near, off = 1 - 3e-8, 1 - 3e-5
    head, *rows = table(
        [
            Part("", 0, 1234567.0, 0.5, near, 1e-7),
            Part("", 1, 1234567.5, 0.5, off, 1e-7),
            Part("", 2, 12345678901.0, 0.5, near, None),
        ]
    )
    assert [row.split()[1:4] for row in rows] == [
        ["1234567", "0.5", "1"],
        ["1234567.5", "0.5", "0.99997"],
        ["1.235e+10", "0.5", "0.99999997"],
    ]
    assert {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0.123456789, "0.123457"), (12345678.5, "12345678.5"), (1.23450001e-5, "1.2345e-05")],
)
def test_a_count_is_written_in_ten_characters(count: float, shown: str) -> None:
    _, line = table([Part("", 0, count, 0.5, 0.5, 1e-8)])
    assert line.split()[1] == shown
