"""The reference pages: no public name and no count is missing, and each question has its block."""

import re
from pathlib import Path

import griffe
import pytest
from support.pages import ROOT

import gradexplain
from sitebuild.docstrings import Docstrings, comment_above, readable
from sitebuild.fill import Counts, count_checked, filled
from sitebuild.page import Page

REFERENCE = ROOT / "docs" / "reference"
API = (REFERENCE / "api.md").read_text(encoding="utf-8")
PRACTICE = ROOT / "docs" / "practice"
ASKED = [
    (folder / f"{name}.md").read_text(encoding="utf-8")
    for folder, name in [
        (REFERENCE, "questions"),
        (PRACTICE, "questions"),
        (PRACTICE, "questions-workers"),
    ]
]


# The API


def missing(page: str) -> set[str]:
    """Return the public names that the page does not document exactly once."""
    shown = re.findall(r"^::: gradexplain\.(\w+)$", page, re.MULTILINE)
    return {name for name in gradexplain.__all__ if shown.count(name) != 1}


def test_every_public_name_is_in_the_api_once() -> None:
    assert missing(API) == set()


def test_a_name_left_out_or_shown_twice_is_noticed() -> None:
    for name in gradexplain.__all__:
        assert name in missing(re.sub(rf"::: gradexplain\.{name}\n", "", API))
        assert name in missing(f"{API}\n::: gradexplain.{name}\n")


def test_each_is_described_and_its_example_is_code() -> None:
    package = griffe.load(
        "gradexplain",
        search_paths=[ROOT],
        extensions=griffe.Extensions(Docstrings()),
        docstring_parser="google",
    )
    for name in gradexplain.__all__:
        docstring = package[name].final_target.docstring
        assert docstring is not None, name
        sections = {section.kind.value: section.value for section in docstring.parsed}
        assert sections["text"].strip(), name
        assert ">>>" not in sections["text"], name
        is_prompt = ">>>" in (getattr(gradexplain, name).__doc__ or "")
        assert ("examples" in sections) == is_prompt or package[name].is_attribute, name
    assert str(package["sigmoid"].final_target.annotation) == "Activation"


def test_comments_above_a_constant_are_its_description() -> None:
    lines = ["#: Of another.", "", "# Not this.", "#: This,", "#: and this.", "x = 1", "y = 2"]
    assert comment_above(lines, 6) == "This,\nand this."
    assert comment_above(lines, 7) == ""


def test_a_docstring_without_prompts_or_addresses_stays_as_it_is() -> None:
    assert readable("Return x > y.") == "Return x > y."
    assert readable("(Of https://a.org/b.)") == "(Of <https://a.org/b>.)"


# The questions


def questions(page: str) -> dict[str, str]:
    """Return each question with its answer, block and all."""
    asked = page.partition("## Glossary")[0].split("\n### ")[1:]
    return {part.partition("\n")[0]: re.split(r"\n## ", part)[0] for part in asked}


def faults(question: str, part: str) -> list[str]:
    """Name what an answer has too much of, and what a reader would lack who pastes its block."""
    blocks = Page(part).blocks
    if len(blocks) != 1:
        return [f"{question} has {len(blocks)} blocks"]
    answer = re.sub(r"\[[^]]*\]\[[\w-]+\]\{ \.gx-source \}", "", part.partition("\n")[2])
    words = re.sub(r"`[^`]*`", "code", answer.partition("```")[0])
    sentences = len(re.findall(r"[.!?](?=\s|$)", words))
    wrong = [] if sentences <= 3 else [f"{question} has {sentences} sentences"]
    lines = blocks[0].source.splitlines()
    if len(lines) > 12:
        wrong.append(f"{question} has a block of {len(lines)} lines")
    wrong += [f"{question} has a wide line" for line in blocks[0].code.splitlines() if line[76:]]
    if "```python torch\n" in part:  # which runs where PyTorch is
        return wrong
    return wrong + lacking(question, blocks[0].source)


def lacking(question: str, source: str) -> list[str]:
    """Run a block by itself; name what it uses and does not define, or imports beside NumPy."""
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)) - {"numpy"}
    try:
        exec(source, {"print": lambda *_: None})  # noqa: S102 - our own pages
    except NameError as error:
        return [f"{question}: {error}"]
    return [f"{question} imports {name}" for name in sorted(imported)]


@pytest.mark.parametrize("page", ASKED, ids=["argument", "loop", "workers"])
def test_each_question_has_a_short_answer_and_a_block_that_stands_alone(page: str) -> None:
    asked = questions(page)
    assert len(asked) >= 10
    assert [fault for question, part in asked.items() for fault in faults(question, part)] == []


@pytest.mark.parametrize("page", ASKED, ids=["argument", "loop", "workers"])
def test_the_list_at_the_top_leads_to_each_question(page: str) -> None:
    listed = re.findall(r"\]\(#([\w-]+)\)", page.partition("\n## ")[0])
    named = [re.findall(r"\{ #([\w-]+) \}$", question) for question in questions(page)]
    assert [name for name in listed if name != "glossary"] == [name for [name] in named]


def test_what_is_too_much_or_missing_in_an_answer_is_noticed() -> None:
    question, part = next(iter(questions(ASKED[1]).items()))
    block = part[part.index("```") :].strip()
    assert faults(question, part) == []
    assert faults(question, f"{part}\n{block}") == [f"{question} has 2 blocks"]
    assert faults(question, part.replace(block, "")) == [f"{question} has 0 blocks"]
    assert faults(question, part.replace(". ", ". A. B. ", 1)) == [f"{question} has 4 sentences"]
    first = ">>> import numpy as np\n"
    assert faults(question, part.replace(first, "")) == [f"{question}: name 'np' is not defined"]
    assert faults(question, part.replace(first, f"{first}>>> import json\n")) == [
        f"{question} imports json"
    ]
    long = part.replace(first, first + ">>> 1\n1\n" * 12)
    assert faults(question, long) == [f"{question} has a block of 19 lines"]
    wide = part.replace(first, f"{first}>>> # {'x' * 71}\n")
    assert faults(question, wide) == [f"{question} has a wide line"]


@pytest.mark.parametrize("page", ASKED, ids=["argument", "loop", "workers"])
def test_every_source_is_linked_and_every_link_has_its_source(page: str) -> None:
    used = set(re.findall(r"\]\[([\w-]+)\]", Page(page).prose))
    given = re.findall(r"^\[([\w-]+)\]: https://", page, re.MULTILINE)
    assert used == {*given}
    assert len(given) == len(used)


# The counts

PAGES = {
    "index.md": "One half, 0.5<!--= half -->.\n\n```python\nhalf = 0.5\n```\n",
    "more/second.md": "```python\n>>> 1\n1\n>>> 2\n2\n```\n\n```sh\nmake\n```\n",
    "third.md": "<!--count: pages--> pages, <!--count: numbers--> numbers.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_pages_blocks_prompts_and_numbers_are_counted(docs: Path) -> None:
    assert count_checked(docs) == Counts(pages=3, blocks=2, prompts=2, numbers=3)


def test_a_place_for_a_count_becomes_a_computed_number(docs: Path) -> None:
    found = filled(Page(PAGES["third.md"]), docs)
    assert found == "3<!--= counts.pages --> pages, 3<!--= counts.numbers --> numbers.\n"
    assert filled(Page(PAGES["index.md"]), docs) == PAGES["index.md"]


def test_a_count_that_does_not_exist_stops_the_build(docs: Path) -> None:
    said = "<!--count: words--> must ask for one of pages, blocks, prompts, numbers"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        filled(Page("<!--count: words-->"), docs)
