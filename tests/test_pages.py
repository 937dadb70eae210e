"""How a page is read: what runs, what is checked, and what may not slip through."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from mkdocs.utils.meta import get_data
from support import collect
from support.pages import ROOT
from sybil import Document
from sybil.example import SybilFailure

from sitebuild.faults import faults as page_faults
from sitebuild.faults import fence_faults, unmarked_numbers
from sitebuild.page import Page
from sitebuild.proof import is_rounding, linked_block, proof_block

PAGE = dedent("""\
    # A page

    A half is 0.50<!--= half -->, and a quarter 0.25<!--= half / 2 -->.

    ```python
    half = 1 / 2
    ```

    ```python
    >>> print(half)
    0.5
    ```
    """)


def failures(text: str, folder: Path) -> list[str]:
    """Run a page as the tests run it; return what each failing example says."""
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    document = collect.pages.parse(path)
    return list(_failures(document))


def _failures(document: Document) -> Iterator[str]:
    for example in document.examples():
        try:
            example.evaluate()
        except (SybilFailure, AssertionError, NameError, ZeroDivisionError) as error:
            yield str(error)


def test_a_page_that_is_right_passes(tmp_path: Path) -> None:
    assert failures(PAGE, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.50<!", "0.51<!", "0.51 is printed, but half is 0.5"),
        ("0.25<!", "−0.25<!", "−0.25 is printed, but half / 2 is 0.25"),
        ("0.25<!", "0.3<!", "0.3 is printed"),
        ("0.50<!--= half -->", "0.50", "line 3: the decimal 0.50 has no mark"),
        ("half / 2 -->", "hlaf / 2 -->", "no block binds hlaf"),
        ("half / 2 -->", "half | 2 -->", "must hold no |"),
        ("half / 2 -->", "half / -->", "must be a Python expression"),
        ("0.25<!--=", "0.25 <!--=", "must follow a number"),
        ("<!--= half -->", "<!-- = half -->", "must be written"),
        ("1 / 2", "1 / 3", "is printed"),
        ("1 / 2", "1 / 0", "division by zero"),
        ("\n0.5\n", "\n0.6\n", "0.5"),
        ("\n0.5\n", "\n0.5\n\nnot compared\n", "after a blank line"),
        ("```python\n>>>", "```py\n>>>", 'the fence "py"'),
        ("```python\n>>>", "```text\n>>>", "Python hides in a text fence"),
        ("```python\n>>>", "```pycon\n>>>", 'the fence "pycon"'),
        ("```python\n>>>", "``` python\n>>>", 'the fence " python"'),
        ("```python\nhalf", "```{.python}\nhalf", 'the fence "{.python}"'),
        ("A half is", "One half, 2 quarters, is", ""),
        ("A half is", "5.0 is wrong and a half", "the decimal 5.0 has no mark"),
    ],
)
def test_a_page_that_is_wrong_fails(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert PAGE.count(old) == 1
    found = failures(PAGE.replace(old, new), tmp_path)
    assert any(said in words for words in found) if said else found == []


def test_a_failure_names_page_and_line(tmp_path: Path) -> None:
    found = failures(PAGE.replace("0.25<!", "0.26<!"), tmp_path)
    assert len(found) == 1
    assert "page.md line 3: 0.26 is printed, but half / 2 is 0.25" in found[0]


def test_a_bare_integer_that_a_block_prints_needs_a_mark(tmp_path: Path) -> None:
    page = PAGE.replace("print(half)\n0.5", "print(int(8 * half))\n4")
    assert failures(page.replace("A half", "Of 3, a half"), tmp_path) == []
    found = failures(page.replace("A half", "Of 4, a half"), tmp_path)
    assert found[0].endswith("line 3: 4 has no mark, though a block prints it")


@pytest.mark.parametrize(
    "free",
    [
        "`1.5` in code",
        "``1.5`` in code",
        "$1.5\\,x$ in a formula",
        "$$\n1.5\n$$",
        "1.5<!--from: a source-->",
        "<!-- 1.5 in a comment -->",
        "[a link](https://example.org/1.5)",
        "https://example.org/1.5",
        "<img width=1.5>",
        'x{ width="1.5" }',
        "```text\n1.5\n```",
        "1. the first item",
        "w1 and GPT2",
    ],
)
def test_what_is_not_prose_needs_no_mark(free: str) -> None:
    assert [*unmarked_numbers(Page(f"# A page\n\n{free}\n"))] == []


@pytest.mark.parametrize(
    "number", ["1.5", "−1.5", ".5", "1e5", "1e-5", "(1.5)", "**1.5**", "1.5%", "|1.5|", "x=1.5"]
)
def test_a_decimal_in_prose_needs_one(number: str) -> None:
    assert len([*unmarked_numbers(Page(f"# A page\n\nIt is {number}.\n"))]) == 1


def test_indented_and_tilde_fences_run_too(tmp_path: Path) -> None:
    page = (
        '??? question "Q"\n\n    ```python\n    a = 1\n    ```\n\n~~~python\nb = 2 / (a - 1)\n~~~\n'
    )
    assert [block.code for block in Page(page).blocks] == ["a = 1\n", "b = 2 / (a - 1)\n"]
    assert failures(page, tmp_path) == ["division by zero"]


def test_an_unseen_block_runs_and_a_misspelled_one_is_named(tmp_path: Path) -> None:
    page = "# A\n\n<!-- invisible-code-block: python\nassert False, 'ran'\n-->\n"
    assert failures(page, tmp_path) == ["ran"]
    assert [*fence_faults(Page(page.replace("invisible-code", "invisble-code")))]


def too_wide(text: str, columns: int = 76) -> list[str]:
    """Return the code lines that a reader's 1280 pixels cannot show without scrolling."""
    pieces = re.finditer(
        r"^([ \t]*)(`{3,}|~{3,})[^\n]*\n(.*?)^\1\2[ \t]*$", text, re.MULTILINE | re.DOTALL
    )
    lines = [line for piece in pieces for line in dedent(piece[3]).splitlines()]
    return [line for line in lines if len(line) > columns]


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_code_never_scrolls(path: Path) -> None:
    assert too_wide(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("indent", ["", "    "])
@pytest.mark.parametrize("info", ["python", "text", 'python torch title="loop.py"'])
def test_a_line_too_wide_is_found(indent: str, info: str) -> None:
    fits, wide = f"a = {72 * '1'}", f"b = {73 * '1'}"
    lines = ["# A page", "", f"```{info}", fits, wide, "```", "", "prose " * 20]
    assert too_wide("\n".join(indent + line for line in lines) + "\n") == [wide]


def test_a_fence_that_is_not_closed_is_named() -> None:
    assert [*fence_faults(Page("# A\n\n```python\n1 / 0\n"))]
    assert [*fence_faults(Page("# A\n\n>>> 1 / 0\n"))]


def test_doctest_options_that_compare_less_are_refused() -> None:
    page = Page(PAGE.replace("print(half)", "print(half)  # doctest: +ELLIPSIS"))
    assert "doctest options compare less" in next(fence_faults(page))[1]


def test_a_mark_is_checked_after_the_last_block_that_touches_it(tmp_path: Path) -> None:
    page = PAGE + "\n```python\nhalf = 3\n```\n\nNow 3<!--= half -->.\n"
    blocks = Page(page).blocks
    proofs = [proof_block(mark, blocks) for mark in Page(page).marks]
    assert [blocks.index(block) for block in proofs] == [0, 0, 2]
    assert failures(page, tmp_path) == []


def test_an_unseen_proof_leads_to_the_visible_block_nearest_to_it() -> None:
    page = "A 1.5<!--= a -->.\n\n<!-- invisible-code-block: python\na = 1.5\n-->\n"
    assert linked_block(Page(page).marks[0], Page(page).blocks) is None
    page += "\n```python\nb = a\n```\n"
    linked = linked_block(Page(page).marks[0], Page(page).blocks)
    assert linked is not None
    assert linked.code == "b = a\n"


@pytest.mark.parametrize(
    ("printed", "value", "right"),
    [
        ("0.2233", 0.223306, True),
        ("0.2234", 0.223306, False),
        ("0.223", 0.2235, False),
        ("2", 2, True),
        ("2", 2.0, True),
        ("2", 2.1, False),
        ("2", True, False),
        ("0", -1e-12, True),
        ("0.00", -0.001, True),
        ("-0.00", -0.001, False),
        ("-1.5", -1.5, True),
        ("−1.5", 1.5, False),
        ("1.0e-6", 1.04e-6, True),
        ("1.1e-6", 1.04e-6, False),
        ("1.0e-7", 1.04e-6, False),
        ("1.0", float("nan"), False),
        ("1.0", "1.0", False),
    ],
)
def test_rounding(printed: str, value: object, right: bool) -> None:  # noqa: FBT001 - a table
    assert is_rounding(printed, value) is right


def test_no_page_has_a_fault_and_every_fence_is_run() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert len(pages) >= 6
    for path in pages:
        page = Page(path.read_text(encoding="utf-8"))
        assert [*page_faults(page)] == [], path
        assert page.blocks, f"{path} proves nothing"


def test_the_lines_of_the_readme_are_those_that_a_page_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = Page((ROOT / "docs/practice/frameworks.md").read_text(encoding="utf-8"))
    [section] = re.findall(r"^## Your framework\n(.*?)^## ", readme, re.DOTALL | re.MULTILINE)
    added = re.findall(r"^- `(.*)`$", section, re.MULTILINE)
    run = {line.strip() for block in page.blocks for line in block.source.splitlines()}
    assert len(added) >= 12
    assert {*added} <= run


def test_no_description_holds_a_number_that_nothing_checks() -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        [line] = re.findall(r"\A---\n(?:.*\n)*?description: (.*)\n", text)
        assert [*unmarked_numbers(Page(line))] == [], path
    assert [*unmarked_numbers(Page("it is 0.22"))] != []


def test_the_page_that_contributing_starts_from_passes(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [page] = re.findall(r"^````markdown\n(.*?)^````$", text, re.DOTALL | re.MULTILINE)
    assert failures(page, tmp_path) == []
    assert failures(page.replace("0.50<!", "0.51<!"), tmp_path) != []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.stem)
def test_front_matter_is_yaml_with_a_description(page: Path) -> None:
    """What is no YAML, such as an unquoted colon, would be printed at the top of the page."""
    _, head = get_data(page.read_text(encoding="utf-8"))
    assert 50 < len(head["description"]) < 200


def test_every_file_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|js|css|toml|json|yml))`", text)
    placeholders = {name for name in named if Path(name).stem == "name" or "…" in name}
    assert len(set(named) - placeholders) > 10
    assert [name for name in named if name not in placeholders and not (ROOT / name).exists()] == []
