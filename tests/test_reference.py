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
QUESTIONS = (REFERENCE / "questions.md").read_text(encoding="utf-8")


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
    """Name what an answer has too much or too little of: two sentences and one block."""
    found = len(Page(part).blocks)
    answer = re.sub(r"\[[^]]*\]\[[\w-]+\]\{ \.gx-source \}", "", part.partition("\n")[2])
    words = re.sub(r"`[^`]*`", "code", answer.partition("```")[0])
    sentences = len(re.findall(r"[.!?](?=\s|$)", words))
    wrong = [] if found == 1 else [f"{question} has {found} blocks"]
    return wrong if sentences == 2 else [*wrong, f"{question} has {sentences} sentences"]


def test_each_question_is_answered_in_two_sentences_and_one_block() -> None:
    asked = questions(QUESTIONS)
    assert len(asked) >= 12
    assert [fault for question, part in asked.items() for fault in faults(question, part)] == []


def test_a_third_sentence_and_a_second_block_are_noticed() -> None:
    question, part = next(iter(questions(QUESTIONS).items()))
    block = part[part.index("```") :]
    assert faults(question, part + block) == [f"{question} has 2 blocks"]
    assert faults(question, part.replace(block, "")) == [f"{question} has 0 blocks"]
    assert faults(question, part.replace(". [", ". More. [", 1)) == [f"{question} has 3 sentences"]


def test_every_source_is_linked_and_every_link_has_its_source() -> None:
    used = set(re.findall(r"\]\[([\w-]+)\]", Page(QUESTIONS).prose))
    given = re.findall(r"^\[([\w-]+)\]: https://", QUESTIONS, re.MULTILINE)
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
