"""The glossary: each term defined once, and linked where a page first uses it."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown import markdown
from support.pages import ROOT

from sitebuild.glossary import PAGE, link_terms, terms

GLOSSARY = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
ARGUMENT = [ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "learn").glob("*.md"))]
EXTENSIONS = [
    "admonition",
    "attr_list",
    "def_list",
    "tables",
    "pymdownx.arithmatex",
    "pymdownx.details",
    "pymdownx.superfences",
    "sitebuild.numbers",
]
each_page = pytest.mark.parametrize("path", ARGUMENT, ids=lambda path: path.stem)


class Words(HTMLParser):
    """What a page says outside headings, titles, code and formulas: each text with its link."""

    SILENT = re.compile(r"h\d|code|pre|summary|script")
    VOID = ("br", "hr", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self._open: list[tuple[str, str, bool]] = [("", "", False)]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        given = {name: value or "" for name, value in attrs}
        _, link, silent = self._open[-1]
        silent |= bool(self.SILENT.fullmatch(tag))
        silent |= given.get("class", "") in {"arithmatex", "admonition-title"}
        self._open.append((tag, given.get("href", link), silent))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        _, link, silent = self._open[-1]
        if not silent:
            self.said.append((data, link))


def linked(path: Path) -> str:
    return link_terms(path.read_text(encoding="utf-8"), terms(GLOSSARY), f"../{PAGE}")


@cache
def rendered(path: Path) -> str:
    body = re.sub(r"\A---\n.*?\n---\n", "", linked(path), flags=re.DOTALL)
    return markdown(body, extensions=EXTENSIONS)


def faults(html: str) -> list[str]:
    """Name each term that is used before its link, without one, or is linked twice."""
    known = {term.lower(): name for term, name in terms(GLOSSARY).items()}
    found, seen = [], set()
    for text, link in Words(html).said:
        if f"{PAGE}#" in link:
            name = link.partition("#")[2]
            if known.get(_term(text, known)) != name or name in seen:
                found.append(f"{text} links to {link}")
            seen.add(name)
        elif not link:
            found += [
                f"{term} has no link" for term in _used(text, known) if known[term] not in seen
            ]
    return found


def _term(text: str, known: dict[str, str]) -> str:
    words = " ".join(text.lower().split())
    return next((end for end in (words, words[:-1], words[:-2]) if end in known), "")


def _used(text: str, known: dict[str, str]) -> Iterator[str]:
    """Yield the terms in a text: of those that start with the same word, the longest."""
    end = 0
    for word in re.finditer(r"(?<![\w.-])\w", text):
        here = text[word.start() :].lower()
        begun = [term for term in known if here.startswith(term)]
        used = [term for term in begun if re.match(r"(e?s)?(?![\w-])", here[len(term) :])]
        if used and word.start() >= end:
            yield max(used, key=len)
            end = word.start() + len(max(used, key=len))


@each_page
def test_each_term_is_linked_where_a_page_first_uses_it(path: Path) -> None:
    assert faults(rendered(path)) == []


@each_page
def test_a_missing_late_or_second_link_is_noticed(path: Path) -> None:
    page = rendered(path)
    links = list(re.finditer(r'<a [^>]*class="gx-term"[^>]*>(.*?)</a>', page))
    assert links
    for link in links:
        without = page[: link.start()] + link[1] + page[link.end() :]
        assert faults(without), link[0]
        assert faults(f"{without}<p>{link[0]}</p>"), link[0]
        assert faults(f"{page}<p>{link[0]}</p>"), link[0]


@each_page
def test_nothing_but_links_is_added(path: Path) -> None:
    bare = re.sub(rf"\[([^]]*)\]\(\.\./{PAGE}#[\w-]+\){{ \.gx-term }}", r"\1", linked(path))
    assert bare == path.read_text(encoding="utf-8")


def test_each_term_is_used_on_the_pages_of_the_argument() -> None:
    used = {name for path in ARGUMENT for name in re.findall(rf"{PAGE}#([\w-]+)", linked(path))}
    assert used == {*terms(GLOSSARY).values()}


def test_error_has_its_two_meanings() -> None:
    defined = GLOSSARY.partition("\nerror { #error }\n")[2].partition("\n\n")[0].splitlines()
    assert [line[:7] for line in defined] == [":   **E", ":   **O"]
    assert "loss" in defined[0]
    assert "delta" in defined[1]


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("loss { #cost }\n:   Twice.\n", "loss must be defined once"),
        ("cost { #loss }\n:   Twice.\n", "cost must be defined once, under a name of its own"),
    ],
)
def test_a_term_defined_twice_stops_the_build(again: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        terms(f"{GLOSSARY}\n{again}")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("A loss.", "A [loss](g#l){ .gx-term }."),
        ("Losses, a loss.", "[Losses](g#l){ .gx-term }, a loss."),
        ("A mean loss, a loss.", "A [mean loss](g#m){ .gx-term }, a [loss](g#l){ .gx-term }."),
        ("**Loss**, *loss*", "**[Loss](g#l){ .gx-term }**, *loss*"),
        ("A loss-free, lossless net.loss", "A loss-free, lossless net.loss"),
        ("# The loss", "# The loss"),
        ('??? note "A loss"', '??? note "A loss"'),
        ("[a loss](x.md) ![a loss](x.svg)", "[a loss](x.md) ![a loss](x.svg)"),
        ("`loss` $loss$ <!-- loss -->", "`loss` $loss$ <!-- loss -->"),
        ("```python\nloss\n```", "```python\nloss\n```"),
        ("0.5<!--= loss --> loss", "0.5<!--= loss --> [loss](g#l){ .gx-term }"),
    ],
)
def test_prose_alone_is_linked(page: str, expected: str) -> None:
    assert link_terms(page, {"loss": "l", "mean loss": "m"}, "g") == expected
