"""Markdown extension: `![alt](figure:name)` and the lines under it become a drawn figure.

`figure:chord` is drawn by `sitebuild.figures.chord.chord()`: a new figure is one function and
one line in a page. Drawings are kept in .cache/figures until the code behind them changes.

A figure whose module has a MOVING is wrapped in a custom element, <gx-chord> for `chord`, with its
buttons below it. docs/assets/figures/chord.js brings it to life; without JavaScript the drawing
stands there as it is.
"""

import hashlib
import html
import importlib
import json
import re
import sys
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

from sitebuild import svg
from sitebuild.site import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sitebuild.figures.moving import Moving

_ROOT = Path(__file__).parents[1]
CACHE = _ROOT / ".cache" / "figures"
_FIGURE = re.compile(r"!\[(?P<alt>.*?)\]\(figure:(?P<name>\w+)\)(?:\n(?P<caption>.*))?", re.DOTALL)
# As imported: an edit counts from the next start.
_MARKUP_CODE = Path(svg.__file__).read_bytes() + Path(__file__).read_bytes()


class FiguresExtension(Extension):
    """Recognizes a figure's paragraph before Markdown takes it for an image."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register the block processor."""
        md.parser.blockprocessors.register(_Figures(md.parser), "gradexplain-figures", 175)
        md.treeprocessors.register(_Strays(md), "gradexplain-stray-figures", 0)


class _Figures(BlockProcessor):
    def test(self, _parent: ET.Element, block: str) -> bool:
        return _FIGURE.fullmatch(block) is not None

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        match = _FIGURE.fullmatch(blocks.pop(0))
        if match is None:  # pragma: no cover - test() has matched
            raise AssertionError
        slug = match["name"].replace("_", "-")
        figure = ET.SubElement(parent, "figure", {"class": "gx-figure", "id": f"figure-{slug}"})
        drawn = drawing(match["name"], " ".join(match["alt"].split()))
        # The style shows what an address ends in, so #show-chord shows that figure alone.
        alone = ET.SubElement(figure, "div", {"id": f"show-{slug}"})
        alone.text = self.parser.md.htmlStash.store(drawn)
        close = {"class": "gx-close", "href": f"#figure-{slug}", "data-search-exclude": ""}
        ET.SubElement(alone, "a", close).text = "Close"
        if match["caption"]:
            ET.SubElement(figure, "figcaption").text = match["caption"]


class _Strays(Treeprocessor):
    """Refuses a figure inside a sentence, which Markdown took for an image of that address."""

    def run(self, root: ET.Element) -> None:
        for image in root.iter("img"):
            if image.get("src", "").startswith("figure:"):
                raise ValueError(f"{image.get('src')} must open a paragraph of its own")


def drawing(name: str, alt: str) -> str:
    """Return the figure's markup, from the cache where the code behind it is unchanged.

    Raises:
        ValueError: there is no such figure, or it has no alt text.
    """
    if not alt:
        raise ValueError(f"figure:{name} must have an alt text, ![like this](figure:{name})")
    if find_spec(f"sitebuild.figures.{name}") is None:
        raise ValueError(f"figure:{name} must be drawn by sitebuild/figures/{name}.py")
    key = hashlib.sha256(f"{code()} {name} {alt}".encode()).hexdigest()
    cached = CACHE / f"{name}-{key[:16]}.html"
    if not cached.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        cached.write_text(_markup(name, alt), encoding="utf-8")
    return cached.read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def code() -> str:
    """Return a hash of all that a drawing depends on, but its name and its words."""
    folders = ("gradexplain/*.py", "gradexplain/audit/**/*.py", "sitebuild/figures/*.py")
    sources = sorted(path for folder in folders for path in _ROOT.glob(folder))
    parts = [path.name.encode() + path.read_bytes() for path in sources]
    parts += [_MARKUP_CODE, version("matplotlib").encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def with_scripts(page: str, address: str, site: Site) -> str:
    """Return the page with the scripts of its moving figures, and the one that they share."""
    tags = re.findall(r'<gx-([a-z-]+) class="gx-moving"', page)
    names = [tag.replace("-", "_") for tag in dict.fromkeys(tags)]
    script = '<script type="module" fetchpriority="low" src="{}assets/figures/{}.js"></script>'
    scripts = [script.format(site.root(address), name) for name in ["figure", *names] if tags]
    return page.replace("</head>", f"{''.join(scripts)}</head>", 1)


def forget_code() -> None:
    """Read and import the package afresh if it was edited: `mkdocs serve` outlives edits."""
    known = code() if code.cache_info().currsize else ""
    code.cache_clear()
    if known not in {"", code()}:
        for name in [name for name in sys.modules if _is_drawing_code(name)]:
            del sys.modules[name]


def makeExtension(**_: object) -> FiguresExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return FiguresExtension()


def _markup(name: str, alt: str) -> str:
    module = importlib.import_module(f"sitebuild.figures.{name}")
    draw = getattr(module, name, None)
    if not callable(draw):
        raise TypeError(f"figure:{name} must be drawn by a function {name}() in {name}.py")
    drawn = svg.inline_svg(draw(), name, alt)
    moving = getattr(module, "MOVING", None)
    return drawn if moving is None else _moving(name, drawn, moving)


def _moving(name: str, drawn: str, moving: "Moving") -> str:
    """Wrap a drawing in its custom element; the buttons keep their room until a script comes."""
    tag = f"gx-{name.replace('_', '-')}"
    given = html.escape(json.dumps(dict(moving.given), separators=(",", ":")))
    rows = "".join(
        f'<div role="group" aria-label="{html.escape(name)}"><span>{html.escape(name)}</span>'
        f"{_buttons(states)}</div>"
        for name, states in moving.choices.items()
    )
    hint, buttons = f"<p>{html.escape(moving.hint)}</p>", _buttons(moving.buttons)
    controls = f"{hint}<div>{buttons}</div>{rows}<output></output>"
    return (
        f'<{tag} class="gx-moving" data-given="{given}">{drawn}'
        f'<div class="gx-controls" data-search-exclude>{controls}</div></{tag}>'
    )


def _buttons(states: "Mapping[str, str]") -> str:
    return "".join(
        f'<button type="button" value="{html.escape(state)}">{html.escape(text)}</button>'
        for text, state in states.items()
    )


def _is_drawing_code(module: str) -> bool:
    """Tell the figures and the package from the rest of the site builder, which is running."""
    return f"{module}.".startswith(("gradexplain.", "sitebuild.figures."))
