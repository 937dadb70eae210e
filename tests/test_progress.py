"""Progress through the argument: the nav's pages in the nav's order, this one marked."""

import posixpath
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import get_files
from mkdocs.structure.nav import get_navigation
from parsers import ROOT

from sitebuild import progress

BAR = re.compile(r'<nav class="gx-progress".*?</nav>', re.DOTALL)
MARK = re.compile(r'<li><a href="([^"]*)" aria-label="([^"]*)" title="([^"]*)"([^>]*)></a></li>')
CURRENT = ' aria-current="page"'


def learn() -> list[tuple[str, str]]:
    """Return title and file of each page that mkdocs.yml names under Learn."""
    lines = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.findall(r"^      - (.+): (learn/.+\.md)$", lines, re.MULTILINE)


@pytest.fixture
def config(tmp_path: Path) -> MkDocsConfig:
    """Give the configuration of a bare site with three pages to learn from."""
    for name in ["index.md", "learn/a.md", "learn/b.md", "learn/c.md"]:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {path.stem}\n", encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text("site_name: a site\n", encoding="utf-8")
    return load_config(str(tmp_path / "mkdocs.yml"))


def bars(config: MkDocsConfig, names: Sequence[str]) -> dict[str, str]:
    """Return the line on each page of a site whose nav has these pages, in this order."""
    under_learn = [{f"On {name} & co": f"learn/{name}.md"} for name in names]
    config.nav = [{"Home": "index.md"}, {"Learn": under_learn}]
    navigation = get_navigation(get_files(config), config)
    return {page.file.name: progress.bar(page) for page in navigation.pages}


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


@pytest.mark.parametrize("names", ["abc", "cab", "ba"])
def test_a_page_moved_in_the_nav_moves_here(config: MkDocsConfig, names: str) -> None:
    found = bars(config, names)
    assert found.pop("index") == ""
    assert list(found) == [*names]
    for number, name in enumerate(names, 1):
        marks = MARK.findall(found[name])
        assert [label for _, label, _, _ in marks] == [
            f"{place}. On {other} &amp; co" for place, other in enumerate(names, 1)
        ]
        assert [rest for *_, rest in marks].index(CURRENT) == number - 1
        assert f">Learn · {number} of {len(names)}<" in found[name]


def test_the_order_on_the_pages_is_not_that_of_their_files(config: MkDocsConfig) -> None:
    """Sorted by name, they would pass for the nav's only where the nav is sorted."""
    assert bars(config, "abc")["a"] != bars(config, "acb")["a"]


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
    assert len(found) == len(learn()) + 4  # and the four of Practice


def test_a_page_that_the_nav_leaves_out_shows_nothing(config: MkDocsConfig) -> None:
    bars(config, "ab")
    files = get_files(config)
    get_navigation(files, config)
    left_out = files.get_file_from_path("learn/c.md")
    assert left_out is not None
    assert left_out.page is not None
    assert progress.bar(left_out.page) == ""
