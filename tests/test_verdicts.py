"""The page of verdicts: each has its section, in which a report with its title is printed."""

import re

import pytest
from support.pages import ROOT

from gradexplain import Verdict
from gradexplain.audit.tell.words import TITLES

PAGE = (ROOT / "docs" / "reference" / "verdicts.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (?P<title>.+) \{ #(?P<name>[\w-]+) \}$", re.MULTILINE)


def faults(page: str) -> list[str]:
    """Name each verdict without a section, a fold, a report, a fix, or a link at the top."""
    head, *rest = SECTION.split(page)
    sections = {name: (title, text) for title, name, text in zip(*[iter(rest)] * 3, strict=True)}
    found = [f"{name} is no verdict" for name in sections if name not in set(Verdict)]
    for verdict, title in TITLES.items():
        heading, text = sections.get(verdict.value, ("", ""))
        wanted = {
            "a section": heading == title,
            "a link at the top": f"[{title}](#{verdict.value})" in head,
            "a fold": f'??? example "{title}: ' in text,
            "its report": re.search(rf"^ +{re.escape(title.upper())}: ", text, re.MULTILINE),
            "a fix": verdict is Verdict.EXACT
            or re.search(r"^ +(Fixed: )?exact", text, re.MULTILINE),
        }
        found += [f"{verdict.value} lacks {what}" for what, there in wanted.items() if not there]
    return found


def test_each_verdict_has_its_section() -> None:
    assert faults(PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{ #dropped }", "{ #lost }", "lost is no verdict"),
        ("## dropped {", "## lost {", "dropped lacks a section"),
        ("[dropped](#dropped)", "dropped", "dropped lacks a link at the top"),
        ('"dropped: the loop', '"the loop', "dropped lacks a fold"),
        ("    DROPPED: 3", "    LOST: 3", "dropped lacks its report"),
        ("    Fixed: exact", "    Fixed: rescaled", "lacks a fix"),
    ],
)
def test_a_verdict_that_lacks_something_is_named(old: str, new: str, said: str) -> None:
    assert old in PAGE
    assert said in " ".join(faults(PAGE.replace(old, new)))
