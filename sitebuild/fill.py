"""What is written into a page at build: `<!--count: blocks-->` becomes a number, others tables.

A number that comes in this way is written as any computed one, 57<!--= counts.blocks -->: the tests
evaluate it in its page's namespace, and it leads to the block that computes it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from sitebuild import field, museum
from sitebuild.page import Mark, Page, edited

_PLACE = re.compile(r"<!--(?P<kind>count|field|museum|workers|releases): *(?P<asked>.*?) *-->")


@dataclass(frozen=True)
class Counts:
    """What the checks read in a folder of pages, each kind once."""

    pages: int
    blocks: int
    prompts: int
    numbers: int


def filled(page: Page, docs: Path) -> str:
    """Return the page with what each of its places asks for.

    Raises:
        ValueError: a place asks for what there is not.
    """
    return edited(page.text, [(*place.span(), text) for place, text in _filled(page, docs)])


def inserted(page: Page, docs: Path) -> Iterator[Mark]:
    """Yield the computed numbers that filling the page brings, at the places they come to."""
    for place, text in _filled(page, docs):
        for mark in Page(text).marks:
            start, end = place.span()
            yield replace(mark, start=start, end=end, line=page.line(start))


@cache  # of one build
def count_checked(docs: Path) -> Counts:
    """Count pages, Python blocks, prompts with their outputs, and computed numbers under `docs`."""
    pages = [Page(path.read_text(encoding="utf-8")) for path in docs.rglob("*.md")]
    blocks = [block for page in pages for block in page.blocks]
    return Counts(
        pages=len(pages),
        blocks=len(blocks),
        prompts=sum(len(block.examples) for block in blocks),
        numbers=sum(len(page.marks) + _numbers_to_come(page, docs) for page in pages),
    )


def _count(asked: str, docs: Path) -> str:
    counted = asdict(count_checked(docs))
    if asked not in counted:
        raise ValueError(f"<!--count: {asked}--> must ask for one of {', '.join(counted)}")
    return f"{counted[asked]}<!--= counts.{asked} -->"


_FILLERS: dict[str, Callable[[str, Path], str]] = {
    "count": _count,
    "field": field.tables,
    "museum": museum.drawn,
    "workers": field.workers,
    "releases": field.releases,
}


def _filled(page: Page, docs: Path) -> Iterator[tuple[re.Match[str], str]]:
    for place in _places(page):
        yield place, _FILLERS[place["kind"]](place["asked"], docs)


def _places(page: Page) -> Iterator[re.Match[str]]:
    for piece in page.pieces:
        place = _PLACE.fullmatch(page.text, *piece.span())
        if place and piece.lastgroup == "comment":
            yield place


def _numbers_to_come(page: Page, docs: Path) -> int:
    """Count the numbers that will be filled in; a count is one number, whichever it is."""
    tables = [place for place in _places(page) if place["kind"] != "count"]
    drawn = [Page(_FILLERS[place["kind"]](place["asked"], docs)) for place in tables]
    return sum(len(table.marks) for table in drawn) + len(list(_places(page))) - len(tables)
