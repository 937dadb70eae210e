"""What on a page would go unchecked: numbers without a mark, fences that could hide Python."""

import ast
import doctest
import re
from collections.abc import Iterator
from textwrap import dedent

from sitebuild.page import INFO, Page
from sitebuild.proof import mark_fault

LANGUAGES = ("python", "sh", "console", "text", "yaml", "toml", "json")
_IN_PROSE = re.compile(r"\d+(?:\.\d+)+|(?<!\w)\d+e[-−+]?\d+|(?<![\w.])(?:\.\d+|\d+(?!\w))")
_STATEMENTS_ONLY_PYTHON_HAS = re.compile(
    r"^\s*(?:>>>|import \w|from [\w.]+ import |(?:def|class) \w+.*:$)", re.MULTILINE
)


def faults(page: Page) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each fault."""
    yield from fence_faults(page)
    yield from mark_faults(page)
    yield from unmarked_numbers(page)


def unmarked_numbers(page: Page) -> Iterator[tuple[int, str]]:
    """Name each number in prose that should carry a mark: decimals, and integers a block prints."""
    outputs = "\n".join(example.want for block in page.blocks for example in block.examples)
    printed = set(re.findall(r"(?<![\w.])\d+(?![\w.])", outputs))
    for match in _IN_PROSE.finditer(page.prose):
        number, line = match[0], page.line(match.start())
        if not number.isdecimal():
            yield line, f"the decimal {number} has no mark"
        elif number in printed:
            yield line, f"{number} has no mark, though a block prints it"


def mark_faults(page: Page) -> Iterator[tuple[int, str]]:
    """Name each mark that follows no number, has a `|` or no Python in it, or is misspelled."""
    yield from ((mark.line, fault) for mark in page.marks if (fault := mark_fault(mark)))
    for piece in page.pieces:
        if piece.lastgroup == "comment" and re.match(r"<!--\s*(?:=|from\b)", piece[0]):
            must = "must be written 1.5<!--= expression --> or 1.5<!--from: source-->"
            yield page.line(piece.start()), f"{piece[0]} {must}"


def fence_faults(page: Page) -> Iterator[tuple[int, str]]:
    """Name each place where Python could stand unrun, or outputs uncompared."""
    for piece in page.pieces:
        fault = ""
        if piece.lastgroup == "fence":
            fault = _fence_fault(piece["info"], dedent(piece["body"]))
        elif piece.lastgroup == "comment" and "code-block" in piece[0]:
            fault = "an unseen block must open with <!-- invisible-code-block: python"
        if fault:
            yield page.line(piece.start()), fault
    for stray in re.finditer(r"`{3}|~{3}|^[ \t]*>>>", page.prose, re.MULTILINE):
        must = "must stand in a fence, opened and closed on lines of their own with the same indent"
        yield page.line(stray.start()), f"{stray[0].strip()} {must}"
    written = len(re.findall(r"(?:```|~~~)[ \t{.]*py", page.text, re.IGNORECASE))
    run = sum(block.visible for block in page.blocks)
    if written != run:
        yield 1, f"{written} fences are written for Python, {run} are run"


def _fence_fault(info: str, body: str) -> str:
    match = INFO.fullmatch(info.rstrip())
    if match is None or match["language"] not in LANGUAGES:
        return f'the fence "{info}" must be one of {", ".join(LANGUAGES)}, then name="value" pairs'
    if match["place"] and match["language"] != "python":
        return f'the fence "{info}" must be Python if it needs PyTorch'
    if match["language"] == "python":
        return _doctest_fault(body) if body.startswith(">>>") else ""
    if _is_python(body, match["language"]):
        return f"Python hides in a {match['language']} fence"
    return ""


def _doctest_fault(code: str) -> str:
    try:
        parts = doctest.DocTestParser().parse(code)
    except ValueError as error:
        return f"doctest cannot read the block: {error}"
    if any(isinstance(part, str) and part.strip() for part in parts):
        return (
            "after a blank line, doctest reads nothing but prompts: <BLANKLINE> is a blank output"
        )
    if any(isinstance(part, doctest.Example) and part.options for part in parts):
        return "doctest options compare less than what is printed"
    return ""


def _is_python(text: str, language: str) -> bool:
    """Return whether text is Python that does something; names and constants alone do not."""
    if _STATEMENTS_ONLY_PYTHON_HAS.search(text):
        return True
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    settings = (ast.Assign,) if language == "toml" else ()  # `name = "value"` is TOML as well
    harmless = (ast.Module, ast.Expr, ast.AnnAssign, *settings)
    acts = [
        node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.Call | ast.comprehension)
    ]
    return not all(isinstance(node, harmless) for node in acts)
