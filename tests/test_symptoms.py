"""From a symptom to a verdict and on to what fixes it: no row of the two tables leads nowhere."""

import re

import pytest
from support.pages import ROOT

from gradexplain.audit.tell.words import TITLES

PAGE = (ROOT / "docs" / "practice" / "check-your-loop.md").read_text(encoding="utf-8")
SYMPTOM = re.compile(r"^\| [^|]+ \| \[([^]]+)\]\(#([\w-]+)\)", re.MULTILINE)
VERDICT = re.compile(r"^\| \*\*([^*]+)\*\*\{ #([\w-]+) \} \|", re.MULTILINE)


def faults(page: str) -> list[str]:
    """Name each verdict without a row of its own, and each symptom that leads to another row."""
    symptoms, _, verdicts = page.partition("## What each verdict means")
    rows = dict(VERDICT.findall(verdicts))
    missing = [f"{title} has no row" for title in TITLES.values() if title not in rows]
    table = symptoms.partition("| You see | Suspect |\n|---|---|\n")[2].partition("\n\n")[0]
    led = [SYMPTOM.match(line) for line in table.splitlines()]
    return missing + [
        f"{line} leads nowhere"
        for line, found in zip(table.splitlines(), led, strict=True)
        if found is None or rows.get(found[1]) != found[2]
    ]


def test_each_symptom_leads_to_its_verdict_and_each_verdict_has_a_row() -> None:
    assert len(SYMPTOM.findall(PAGE)) >= 6
    assert faults(PAGE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(#dropped)", "(#rescaled)"),
        ("[not reproducible](#not-reproducible)", "not reproducible"),
        ("**ambiguous**{ #ambiguous }", "**uncertain**{ #ambiguous }"),
        ("{ #counts }", "{ #count }"),
    ],
)
def test_a_row_that_leads_astray_is_noticed(old: str, new: str) -> None:
    assert PAGE.count(old) == 1
    assert faults(PAGE.replace(old, new)) != []
