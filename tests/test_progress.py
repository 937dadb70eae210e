"""Progress through the argument: the nav's pages in the nav's order, this one marked."""

import posixpath
import re
from itertools import pairwise
from pathlib import Path

import pytest
from support.pages import ROOT

from sitebuild import progress
from sitebuild.site import Entry, Site

BAR = re.compile(r'<nav class="gx-progress".*?</nav>', re.DOTALL)
MARK = re.compile(r'<li><a href="([^"]*)" aria-label="([^"]*)" title="([^"]*)"([^>]*)></a></li>')
CURRENT = ' aria-current="page"'


def learn() -> list[tuple[str, str]]:
    """Return title and file of each page that mkdocs.yml names under Learn."""
    lines = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.findall(r"^      - (.+): (learn/.+\.md)$", lines, re.MULTILINE)


def test_each_page_of_the_argument_shows_all_in_the_order_of_the_nav(site: Path) -> None:
    pages = learn()
    assert len(pages) > 1
    names = [f"{number}. {title}" for number, (title, _) in enumerate(pages, 1)]
    for number, (_, file) in enumerate(pages, 1):
        folder = (site / file).with_suffix("")
        [bar] = BAR.findall((folder / "index.html").read_text("utf-8"))
        marks = MARK.findall(bar)
        assert [name for _, name, _, _ in marks] == names
        assert [title for _, _, title, _ in marks] == names
        targets = [(folder / href).resolve() for href, *_ in marks]
        assert targets == [(site / other).with_suffix("").resolve() for _, other in pages]
        assert [rest for *_, rest in marks].index(CURRENT) == number - 1
        assert bar.count(CURRENT) == 1
        assert f'aria-label="Learn, page {number} of {len(pages)}"' in bar


def test_no_other_page_shows_it(site: Path) -> None:
    shown = {path for path in site.rglob("index.html") if BAR.search(path.read_text("utf-8"))}
    assert shown == {(site / file).with_suffix("") / "index.html" for _, file in learn()}


def test_what_a_page_names_next_is_what_the_nav_has_next() -> None:
    """Or the last line of a page and its footer send a reader two ways."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": ([\w/-]+\.(?:md|py))$", nav, re.MULTILINE)
    following = dict(pairwise(named))
    found = {}
    for name in named:
        text = (ROOT / "docs" / name).read_text("utf-8")
        for target in re.findall(r"^\*\*Next:\*\* \[[^]]+\]\(([^)#]+)", text, re.MULTILINE):
            found[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    assert found == {name: following[name] for name in found}
    assert len(found) == len(learn()) + 8  # and the eight of Practice


def test_a_page_that_the_nav_leaves_out_shows_nothing() -> None:
    site = Site("a site", "/", "", (Entry("One", "learn/a/", "", "Learn"),))
    assert progress.shown("<h1>", "learn/c/", site) == "<h1>"
    with pytest.raises(ValueError, match=r"^learn/a/ must have a heading, which its progress is"):
        progress.shown("<p>", "learn/a/", site)
