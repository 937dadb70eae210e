"""What happens to a page on its way to the site: all of it, in order, each with its one reason.

    Markdown ──prepared──▶ Markdown ──the builder, with our extensions──▶ HTML ──finish──▶ the site

Each step also says how a finished page shows that it ran, so `python -m sitebuild site/` fails on a
site in which a step was left out, whatever built it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sitebuild import (
    drawings,
    fill,
    glossary,
    lost,
    notebooks,
    progress,
    security,
    sharing,
    sheet,
    statements,
)
from sitebuild.page import Page
from sitebuild.site import LOST, Site


@dataclass(frozen=True)
class Step:
    """One step: its reason, what it does, and whether the finished page shows that it did."""

    why: str
    run: Callable[..., str] | None  # None: the builder runs it, as an extension of Markdown
    shows: Callable[[str, str], bool]  # of the page's HTML and its address


def _without(trace: str) -> Callable[[str, str], bool]:
    return lambda html, _: re.search(trace, html) is None


def _with(trace: str, where: str = "") -> Callable[[str, str], bool]:
    """Expect a trace on the pages whose address matches `where`."""
    return lambda html, address: re.match(where, address) is None or trace in html


_BUGS = 'class="gx-bugs"'
_BLANK = "&lt;BLANKLINE&gt;"
_PLAIN = re.compile(r'<span class="[nopw]">([^<]*)</span>')  # names, operators, punctuation
_TABLE = re.compile(r"<table>(.*?</table>)", re.DOTALL)
_SCROLLING = (
    '<div class="md-typeset__scrollwrap"><div class="md-typeset__table">'
    r'<table class="gx-table">\1</div></div>'
)
_UNSEARCHED = re.compile(r'<(details|div) ((?:id="[^"]*" )?class="(?:coq|[^"]*\bhighlight)")')

#: Of the page's Markdown, the folder that it is in, and its name there.
MARKDOWN = {
    "statements": Step(
        "What Coq checks stands under its claim, word for word from the proofs.",
        lambda text, docs, name: statements.fill_statements(text, docs, name.as_posix()),
        _without("<!--coq:"),
    ),
    "fill": Step(
        "Counts and recorded tables are written in by the build, so that they are never stale.",
        lambda text, docs, _: fill.filled(Page(text), docs),
        _without(r"<!--(count|field|museum|workers|releases):"),
    ),
    "terms": Step(
        "A term's first use leads to its definition; after the tables, which use terms too.",
        glossary.linked,
        _with('class="gx-term"', "learn/"),
    ),
}
EXTENSIONS = {
    "numbers": Step(
        "A computed number leads to its block; before all Markdown, which its mark would break.",
        None,
        _without("<!--="),
    ),
    "figures": Step(
        "A figure is drawn in place of its image, before Markdown takes it for one.",
        None,
        _without(r'src="figure:'),
    ),
    "formulas": Step(
        "Formulas are drawn by KaTeX, so that no reader's browser has to; last of all Markdown.",
        None,
        _without('class="arithmatex"'),
    ),
}
#: Of the page's content and its file, before the search reads it.
CONTENT = {
    "unsearched": Step(
        "Words are searched for, not lines of code, and every first search loads the whole index.",
        lambda html, _: _UNSEARCHED.sub(r"<\1 data-search-exclude \2", html),
        _without('<details class="coq"'),
    ),
    "blank lines": Step(
        "A doctest has to spell a blank line of its output; a reader need not see how.",
        lambda html, _: html.replace(_BLANK, ""),
        _without(_BLANK),
    ),
    "cells": Step(
        "Of a notebook its cells are kept, without the plugin's 600 KB of script and style.",
        lambda html, file: notebooks.cells(html, file.stem) if file.suffix == ".py" else html,
        _without('class="jp-'),
    ),
}
#: Of the whole page, its address and the site.
HTML = {
    "lost": Step(
        "The page for lost readers says where to go.",
        lambda html, address, site: lost.filled(html, site) if address == LOST else html,
        _with("<h1>There is no such page</h1>", re.escape(LOST)),
    ),
    "progress": Step(
        "A page of the argument shows how far the reader is.",
        progress.shown,
        _with('class="gx-progress"', "learn/"),
    ),
    "sharing": Step(
        "Previews and machines learn what the page is.",
        sharing.told,
        _with('property="og:image"', f"(?!{re.escape(LOST)})"),
    ),
    "room": Step(
        "The museum's rows need more room than prose; found by a style, they would slow each page.",
        lambda html, *_: (
            html.replace('"md-content__inner', '"gx-wide md-content__inner', 1)
            if _BUGS in html
            else html
        ),
        lambda html, _: (_BUGS in html) == ('"gx-wide ' in html),
    ),
    "plain code": Step(
        "Names and brackets, thousands of them, have the color of the code and need no element.",
        lambda html, *_: _PLAIN.sub(r"\1", html),
        _without(_PLAIN.pattern),
    ),
    "tables": Step(
        "A table stands in the box that it scrolls in; the theme's script would restyle the page.",
        lambda html, *_: _TABLE.sub(_SCROLLING, html),
        _without(r"<table(?![^>]*class=)"),
    ),
    "scripts": Step(
        "A page loads the scripts of the figures that are on it, and no others.",
        drawings.with_scripts,
        lambda html, _: ('class="gx-moving"' in html) == ("assets/figures/figure.js" in html),
    ),
    "sheet": Step(
        "One style sheet is one request; what only the search index reads goes.",
        sheet.one_sheet,
        lambda html, _: html.count('rel="stylesheet"') == 1 and "<gx-tex" not in html,
    ),
    "dialog": Step(
        "The theme's search dialog has no name for those who cannot see it.",
        lambda html, *_: html.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1),
        _with('role="dialog" aria-label="Search"'),
    ),
    "source": Step(
        "The theme's script would ask another host for the repository's stars.",
        lambda html, *_: html.replace(' data-md-component="source"', ""),
        _without('data-md-component="source"'),
    ),
    "security": Step(
        "The policy hashes the page's scripts, so it comes last; a served page reloads itself.",
        lambda html, _, site: html if site.served else security.secured(html),
        _with('http-equiv="Content-Security-Policy"'),
    ),
}
ALL = {**MARKDOWN, **EXTENSIONS, **CONTENT, **HTML}


def prepared(text: str, docs: Path, name: PurePosixPath) -> str:
    """Return a page's Markdown as the builder should get it; `name` is its place in `docs`."""
    for step in MARKDOWN.values():
        text = step.run(text, docs, name) if step.run else text
    return text


def content(html: str, file: PurePosixPath) -> str:
    """Return a page's content as it should be searched and shown; `file` is its place in `docs`."""
    for step in CONTENT.values():
        html = step.run(html, file) if step.run else html
    return html


def finish(folder: Path, site: Site, sheets: list[str]) -> None:
    """Complete a built site in its folder: every page, its style sheet, and the list of pages."""
    for path, address in _pages(folder):
        html = path.read_text(encoding="utf-8")
        for step in HTML.values():
            html = step.run(html, address, site) if step.run else html
        path.write_text(html, encoding="utf-8")
    (folder / "llms.txt").write_text(sharing.llms_txt(site), encoding="utf-8")
    sheet.write(folder, sheets)


def left_out(folder: Path) -> Iterator[str]:
    """Name each step that a page of a finished site does not show."""
    pages = list(_pages(folder))
    if not pages:
        yield f"{folder} must hold a built site"
    for path, address in pages:
        html = path.read_text(encoding="utf-8")
        for name, step in ALL.items():
            if not step.shows(html, address):
                yield f"{address or 'the home page'}: the step {name!r} did not run. {step.why}"
    for name in (sheet.SHEET, "llms.txt"):
        if not (folder / name).is_file():
            yield f"{name} was not written"


def _pages(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.html")):
        yield path, path.relative_to(folder).as_posix().removesuffix("index.html")
