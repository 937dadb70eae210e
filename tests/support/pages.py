"""Sybil parsers for the pages: every Python block is run, every computed number checked.

They read a page through `sitebuild.page`, as the site does. Sybil's own Markdown
lexer skips a fence with arguments, and its line numbers drift in an indented doctest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sybil import Document, Example, Region
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.region import Lexeme

from sitebuild.faults import faults
from sitebuild.fill import inserted
from sitebuild.page import Block, Mark, Page
from sitebuild.proof import is_rounding, proof_block

if TYPE_CHECKING:
    from doctest import Example as Prompt

ROOT = Path(__file__).parents[2]


def parse_blocks(document: Document) -> Iterator[Region]:
    """Yield each Python block, or each prompt of it where outputs are compared.

    What needs PyTorch is compiled here, and run by the tests of the field.
    """
    page = Page(document.text)
    for block in page.blocks:
        if block.place:
            yield Region(block.start, block.end, Lexeme(block.source, 0, 0), _compiles)
            continue
        prompts = list(_prompts(page.text, block))
        yield from prompts or [_code(block)]


def parse_numbers(document: Document) -> Iterator[Region]:
    """Yield each computed number, as an empty region at the end of the block that proves it.

    The numbers that only the build writes into the page are among them.
    """
    page = Page(document.text)
    for mark in [*page.marks, *inserted(page, ROOT / "docs")]:
        try:
            proof = proof_block(mark, page.blocks)
        except ValueError as error:
            yield failure(mark.end, f"{at(document, mark.line)}: {error}")
        else:
            if not proof.place:
                yield Region(proof.end, proof.end, mark, check_number)


def parse_faults(document: Document) -> Iterator[Region]:
    """Yield a failure for each number without a mark and each fence that could hide Python."""
    for line, words in faults(Page(document.text)):
        yield failure(_start_of_line(document.text, line), f"{at(document, line)}: {words}")


def check_number(example: Example) -> str | None:
    """Return what is wrong with a computed number, if anything is."""
    mark: Mark = example.parsed
    value = eval(mark.expression, dict(example.namespace))  # noqa: S307 - our own pages
    if is_rounding(mark.printed, value):
        return None
    place = at(example.document, mark.line)
    return f"{place}: {mark.printed} is printed, but {mark.expression} is {value!r}"


def _code(block: Block) -> Region:
    return Region(block.start, block.end, Lexeme(block.code, 0, 0), PythonEvaluator())


def _compiles(example: Example) -> str | None:
    """Return what is wrong with a block that cannot run here, if it is not even Python."""
    try:
        compile(str(example.parsed), at(example.document, example.line), "exec")
    except SyntaxError as error:
        return f"{at(example.document, example.line)}: the block is not Python: {error}"
    return None


def _prompts(page: str, block: Block) -> Iterator[Region]:
    for prompt in block.examples:
        start = _start_of_line(page, block.line + 1 + prompt.lineno)
        yield Region(start, start, prompt, _compare)


def _compare(example: Example) -> str:
    prompt: Prompt = example.parsed
    return DocTestEvaluator()(example) if prompt.source.strip() else ""


def failure(place: int, words: str) -> Region:
    def fail(_: Example) -> str:
        return words

    return Region(place, place, words, fail)


def _start_of_line(page: str, line: int) -> int:
    return sum(len(text) for text in page.splitlines(keepends=True)[: line - 1])


def at(document: Document, line: int) -> str:
    path = Path(document.path)
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    return f"{name} line {line}"
