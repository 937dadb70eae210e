"""`make numbers`: a page's outputs and numbers, written anew."""

import re
from pathlib import Path

import pytest
from refresh import refreshed
from support.pages import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_that_is_right_stays_as_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert refreshed(text) == text


@pytest.mark.parametrize("name", ["learn/line.md", "practice/not-a-mean.md", "teach.md"])
def test_every_output_and_number_of_a_spoiled_page_comes_back(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    spoiled = re.sub(r"\d(?=(?:\.\d+)?<!--=)", lambda digit: str(9 - int(digit[0])), text)
    spoiled = re.sub(
        r"^( *)>>> print\((.*)\)\n.*$", r"\1>>> print(\2)\n\1gone", spoiled, flags=re.MULTILINE
    )
    assert spoiled != text
    assert refreshed(spoiled) == text


def test_what_an_edit_prints_now_takes_the_place_of_what_it_printed() -> None:
    page = (
        "A −1.5<!--= a -->, 2e-3<!--= b -->.\n\n    ```python\n    a, b = 2.25, 1e-12\n    ```\n\n"
    )
    page += "    ```python\n    >>> for line in range(2):\n    ...     print(a)\n    old\n    ```\n"
    assert refreshed(page) == (
        "A 2.2<!--= a -->, 1e-12<!--= b -->.\n\n    ```python\n    a, b = 2.25, 1e-12\n    ```\n\n"
        "    ```python\n    >>> for line in range(2):\n    ...     print(a)\n"
        "    2.25\n    2.25\n    ```\n"
    )


def test_an_error_that_a_page_shows_is_kept() -> None:
    page = "```python\n>>> 1 / 0\nTraceback (most recent call last):\n    ...\n"
    page += "ZeroDivisionError: division by zero\n```\n"
    assert refreshed(page) == page
