"""Markdown extension: `![alt](figure:name)` and the lines under it become a drawn figure.

`figure:chord` is drawn by `gradexplain.figures.chord.chord()`: a new figure is one function and
one line in a page. Drawings are kept in .cache/figures until the code behind them changes.
"""

import hashlib
import importlib
import re
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension

from gradexplain.sitebuild.svg import inline_svg

CACHE = Path(".cache/figures")
_PACKAGE = Path(__file__).parents[1]
_FIGURE = re.compile(
    r"!\[(?P<alt>[^\]]*)\]\(figure:(?P<name>\w+)\)(?:\n(?P<caption>.*))?", re.DOTALL
)


class FiguresExtension(Extension):
    """Recognises a figure's paragraph before Markdown takes it for an image."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register the block processor."""
        md.parser.blockprocessors.register(_Figures(md.parser), "gradexplain-figures", 175)


class _Figures(BlockProcessor):
    def test(self, _parent: ET.Element, block: str) -> bool:
        return _FIGURE.fullmatch(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        match = _FIGURE.fullmatch(blocks.pop(0))
        if match is None:  # pragma: no cover - test() has matched
            raise AssertionError
        slug = match["name"].replace("_", "-")
        figure = ET.SubElement(parent, "figure", {"class": "gx-figure", "id": f"figure-{slug}"})
        svg = drawing(match["name"], " ".join(match["alt"].split()))
        ET.SubElement(figure, "div").text = self.parser.md.htmlStash.store(svg)
        if match["caption"]:
            ET.SubElement(figure, "figcaption").text = match["caption"]


def drawing(name: str, alt: str) -> str:
    """Return the figure's SVG, from the cache where the code behind it is unchanged.

    Raises:
        ValueError: there is no such figure, or it has no alt text.
    """
    if not alt:
        raise ValueError(f"figure:{name} must have an alt text, ![like this](figure:{name})")
    if find_spec(f"gradexplain.figures.{name}") is None:
        raise ValueError(f"figure:{name} must be drawn by gradexplain/figures/{name}.py")
    key = hashlib.sha256(f"{_code()} {name} {alt}".encode()).hexdigest()
    cached = CACHE / f"{name}-{key[:16]}.svg"
    if not cached.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        cached.write_text(inline_svg(_draw(name), name, alt), encoding="utf-8")
    return cached.read_text(encoding="utf-8")


def forget_code() -> None:
    """Look at the package's files afresh at the next drawing: `mkdocs serve` outlives edits."""
    _code.cache_clear()


def makeExtension(**_: object) -> FiguresExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return FiguresExtension()


def _draw(name: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - matplotlib is not imported here
    return getattr(importlib.import_module(f"gradexplain.figures.{name}"), name)()


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash all that a drawing depends on."""
    sources = [*_PACKAGE.glob("*.py"), *_PACKAGE.glob("figures/*.py"), _PACKAGE / "sitebuild/svg.py"]
    text = b"".join(path.read_bytes() for path in sorted(sources))
    return hashlib.sha256(text + version("matplotlib").encode()).hexdigest()
