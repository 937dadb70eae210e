"""How much of the site is checked, counted at build: `<!--count: blocks-->` becomes the number.

The number is written as any computed one, 57<!--= counts.blocks -->, and so leads to the block on
that page which counts again.
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from sitebuild.pages import blocks, marks

_PLACE = re.compile(r"<!--count: *(\w*) *-->")


@dataclass(frozen=True)
class Counts:
    """What the checks read in a folder of pages, each kind once."""

    pages: int
    blocks: int
    prompts: int
    numbers: int


def count_checked(docs: Path) -> Counts:
    """Count pages, Python blocks, prompts with their outputs, and computed numbers under `docs`."""
    texts = [path.read_text(encoding="utf-8") for path in docs.rglob("*.md")]
    found = [block for text in texts for block in blocks(text)]
    return Counts(
        pages=len(texts),
        blocks=len(found),
        prompts=sum(len(block.examples) for block in found),
        numbers=sum(len(marks(text)) + len(_PLACE.findall(text)) for text in texts),
    )


def fill_counts(page: str, docs: Path) -> str:
    """Return the page with the count in each place that asks for one.

    Raises:
        ValueError: a place asks for something that is not counted.
    """
    counted = asdict(count_checked(docs)) if _PLACE.search(page) else {}

    def fill(place: re.Match[str]) -> str:
        if place[1] not in counted:
            raise ValueError(f"{place[0]} must ask for one of {', '.join(counted)}")
        return f"{counted[place[1]]}<!--= counts.{place[1]} -->"

    return _PLACE.sub(fill, page)
