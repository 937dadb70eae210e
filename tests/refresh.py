"""Write a page's numbers anew: what its prompts print, and what its marks claim.

    make numbers PAGE=docs/learn/line.md

The page runs as the tests run it. Look at the difference before you keep it: words such as *half*
or *less* beside a number are not computed.
"""

import contextlib
import io
import sys
import traceback
from collections.abc import Iterator
from doctest import Example
from pathlib import Path
from typing import Any

from sitebuild.page import Block, Mark, Page, edited
from sitebuild.proof import is_rounding, proof_block

Edit = tuple[int, int, str]


def refreshed(text: str) -> str:
    """Return the page with every printed output and computed number as it is now."""
    page, namespace = Page(text), dict[str, Any]()
    edits: list[Edit] = []
    for block in page.blocks:
        if block.place:  # it needs PyTorch
            continue
        if block.is_doctest:
            edits += _outputs(page, block, namespace)
        else:
            exec(block.code, namespace)  # noqa: S102 - our own pages
        for mark in page.marks:
            if proof_block(mark, page.blocks) == block:
                value = eval(mark.expression, namespace)  # noqa: S307 - our own pages
                edits.append(_number(mark, value))
    return edited(text, edits)


def _outputs(page: Page, block: Block, namespace: dict[str, Any]) -> Iterator[Edit]:
    for example in block.examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            _run(example, namespace)
        first = block.line + 1 + example.lineno + example.source.count("\n")
        start = _line_start(page.text, first)
        end = _line_start(page.text, first + example.want.count("\n"))
        indent = " " * _indent(page.text, first - 1)
        lines = printed.getvalue().splitlines()
        yield start, end, "".join(f"{indent}{line or '<BLANKLINE>'}\n" for line in lines)


def _run(example: Example, namespace: dict[str, Any]) -> None:
    try:
        exec(compile(example.source, "<page>", "single"), namespace)  # noqa: S102 - our own pages
    except Exception as error:  # noqa: BLE001 - a page may show any of them
        print("Traceback (most recent call last):\n    ...")  # noqa: T201 - as doctest shows it
        print("".join(traceback.format_exception_only(error)), end="")  # noqa: T201 - as above


def _number(mark: Mark, value: Any) -> Edit:
    end = mark.start + len(mark.printed)
    if is_rounding(mark.printed, value):
        return mark.start, end, mark.printed
    mantissa, _, exponent = mark.printed.partition("e")
    decimals = len(mantissa.partition(".")[2])
    written = f"{value:.{decimals}{'e' if exponent else 'f'}}"
    if exponent:
        digits, _, power = written.partition("e")
        written = f"{digits}e{int(power)}"
    minus = "-" if mark.printed.startswith("-") else "−"
    return mark.start, end, written.replace("-", minus, 1) if written[0] == "-" else written


def _indent(text: str, line: int) -> int:
    """Return how far a line, counted from 1, is indented."""
    found = text.splitlines()[line - 1]
    return len(found) - len(found.lstrip(" "))


def _line_start(text: str, line: int) -> int:
    return sum(len(one) for one in text.splitlines(keepends=True)[: line - 1])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
