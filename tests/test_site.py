"""The built site, read file by file: whole, and at home anywhere."""

import json
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from support.building import build
from support.pages import ROOT

from sitebuild.lost import filled
from sitebuild.site import Site

#: What a first reading may skip: code, tables, the glossary, folds, figures, formulas.
UNREAD = "pre, table, dl, details, figure, svg, gx-math, .gx-figure, .headerlink, button"
LOADED = {"src", "srcset", "poster", "data", "action", "background"}


class Page(HTMLParser):
    """What one page holds: its ids, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    @property
    def links(self) -> list[str]:
        return [
            attributes["href"]
            for tag, attributes in self.tags
            if tag == "a" and "href" in attributes
        ]

    @property
    def loads(self) -> list[str]:
        """Addresses that a browser fetches without being asked."""
        found = [
            value
            for tag, attributes in self.tags
            for name, value in attributes.items()
            if name in LOADED or (name == "href" and tag in {"link", "use", "image", "base"})
        ]
        told = {"canonical", "prev", "next"}  # told to machines, fetched by none
        named = [a["href"] for tag, a in self.tags if tag == "link" and a.get("rel") in told]
        return [value for value in found if value not in named]


def pages_of(site: Path) -> Iterator[tuple[str, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path.relative_to(site).as_posix(), Page(path.read_text(encoding="utf-8"))


def broken(name: str, page: Page, site: Path, root: str = "/some/where/") -> list[str]:
    """Return the links of a page, and what it loads, that lead nowhere."""
    here = root + name
    return [
        value
        for value in page.links + page.loads
        if not urlsplit(value).scheme and not _exists(here, value, site, root)
    ]


def _exists(here: str, value: str, site: Path, root: str) -> bool:
    parts = urlsplit(value)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), unquote(parts.path)))
    if not parts.path:
        path = here
    if not f"{path}/".startswith(root):
        return False
    file = site / path.removeprefix(root.rstrip("/")).lstrip("/")
    file = file / "index.html" if file.is_dir() else file
    if not file.is_file():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or anchor.startswith("__") or anchor in _ids(file)


@cache
def _ids(file: Path) -> frozenset[str]:
    return frozenset(Page(file.read_text("utf-8")).ids)


def test_every_link_and_anchor_leads_somewhere_inside_the_site(site: Path) -> None:
    for name, page in pages_of(site):
        assert broken(name, page, site) == [], name


def test_links_on_pages_are_relative_so_that_any_sub_path_will_do(site: Path) -> None:
    for name, page in pages_of(site):
        absolute = [value for value in page.links + page.loads if value.startswith("/")]
        if name == "404.html":  # it is served at any address, so it must name the site's own
            assert absolute
            assert all(value.startswith("/some/where/") for value in absolute)
        else:
            assert absolute == [], name


def test_an_address_that_leads_nowhere_is_told_where_to_go(site: Path) -> None:
    article = (
        (site / "404.html").read_text("utf-8").partition("<article")[2].partition("</article")[0]
    )
    assert "<h1>There is no such page</h1>" in article
    places = re.findall(r'<li><a href="/some/where/([^"]*)">', article)
    assert places == ["", "learn/linearity/", "practice/check-your-loop/", "reference/questions/"]
    with pytest.raises(ValueError, match=r"^404\.html must hold <h1>404 - Not found</h1>, which"):
        filled("<h1>Not found</h1>", Site("a site", "/", "", ()))


def test_every_page_has_a_title_a_heading_a_language_and_unique_ids(site: Path) -> None:
    titles = set()
    for path in sorted(site.rglob("index.html")):
        text = path.read_text("utf-8")
        page = Page(text)
        assert [tag for tag, _ in page.tags].count("h1") == 1, path
        assert len(page.ids) == len(set(page.ids)), path
        assert dict(page.tags)["html"]["lang"] == "en"
        titles.add(re.findall(r"<title>(.*?)</title>", text)[0])
        assert re.search(r'<meta name="description" content="[^"]{40,}"', text), path
        pictures = [a for tag, a in page.tags if tag == "svg" and a.get("role") == "img"]
        assert all(len(picture["aria-label"]) > 20 for picture in pictures), path
    assert len(titles) == len(list(site.rglob("index.html")))


def prose(page: str) -> int:
    """Return how many words a first reading of a page takes."""
    article = BeautifulSoup(page, "html.parser").select_one("article")
    assert article
    for part in article.select(UNREAD):
        part.decompose()
    return sum(any(map(str.isalnum, word)) for word in article.get_text(" ").split())


def test_every_page_but_the_api_is_read_within_a_thousand_words(site: Path) -> None:
    for path in site.rglob("index.html"):
        words = prose(path.read_text("utf-8"))
        assert 0 < words < 1000 or path.parent.name == "api", (path, words)


def test_what_is_code_or_folded_is_not_counted() -> None:
    page = "<article><p>One two - three.</p><pre>x = 1</pre><details>Why?</details></article>"
    assert prose(page) == 3


def test_every_page_has_tags_for_previews_and_structured_data(site: Path) -> None:
    listed = (site / "llms.txt").read_text("utf-8")
    for path in sorted(site.rglob("index.html")):
        page, address = Page(path.read_text("utf-8")), path.parent.relative_to(site).as_posix()
        url = "https://example.org/some/where/" + ("" if address == "." else f"{address}/")
        told = {a["property"]: a["content"] for tag, a in page.tags if "property" in a}
        assert told["og:url"] == url
        assert f"({url})" in listed
        picture = site / told["og:image"].removeprefix("https://example.org/some/where/")
        assert picture.read_bytes().startswith(b"\x89PNG"), path
        found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', path.read_text())
        assert [json.loads(data)["url"] for data in found] == [url]
        assert json.loads(found[0])["name"] == told["og:title"]


def test_the_checks_of_the_site_notice_what_is_wrong(site: Path) -> None:
    for wrong in ["../../nothing/", "#nothing", "/elsewhere/", "../../../outside/"]:
        page = Page(f'<a href="{wrong}">x</a>')
        assert broken("learn/line/index.html", page, site), wrong
    assert broken("learn/line/index.html", Page('<a href="../../">x</a>'), site) == []


def test_two_builds_give_the_same_bytes(site: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "again", "https://example.org/some/where/")
    names = [path.relative_to(site) for path in sorted(site.rglob("*")) if path.is_file()]
    assert names == [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    for name in names:
        assert (site / name).read_bytes() == (again / name).read_bytes(), name


def test_a_warning_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[nowhere](nothing.md)\n", "utf-8")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    config = re.sub(r"nav:.*?(?=\ntheme:)", "nav: [index.md]\n", config, flags=re.DOTALL)
    config = re.sub(r"hooks:\n.*\n", "", config)
    (tmp_path / "mkdocs.yml").write_text(config, "utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "nothing.md" in done.stdout + done.stderr


def test_the_repository_s_address_comes_from_the_environment_or_is_left_out(site: Path) -> None:
    pages = (ROOT / ".github" / "workflows" / "pages.yml").read_text("utf-8")
    for name in ("SITE_URL", "REPO_URL", "EDIT_URI"):
        assert f"!ENV [{name}, " in (ROOT / "mkdocs.yml").read_text("utf-8")
        assert f"          {name}: " in pages
    for name, page in pages_of(site):
        assert [link for link in page.links if "/edit/" in link] == [], name
