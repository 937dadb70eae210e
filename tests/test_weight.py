"""What a page carries, and nothing that no page asks for."""

import gzip
import posixpath
import re
import shutil
from pathlib import Path

import pytest
from test_site import Page

from sitebuild import formulas
from sitebuild.weight import SHEET, lighten, used_css

KNOWN = frozenset({"a", "b", "main", "href", "dir", "ltr", "data-x", "on", "ok"})


@pytest.mark.parametrize(
    "css",
    [
        "a{top: 0}",
        "*,:root{top: 0}",
        "main .ok::before{top: 0}",
        "b#ok[data-x=on]:hover>a{top: 0}",
        "[dir=ltr] b{top: 0}",
        "a:not(.gone){top: 0}",
        ":is(.gone,.ok){top: 0}",
        'a[href^="https"],a[href*=gone]{top: 0}',
        "@media print{a{top: 0}}",
        "@supports (top: 0){@media print{a{top: 0}}}",
        "@font-face{font-family: x;src: url(x)}",
        "@keyframes turn{to{top: 0}}",
        "@page{size: A4}",
        "a{--x: 1;top: var(--x)}",
    ],
)
def test_a_rule_that_may_find_something_is_kept_as_it_is(css: str) -> None:
    assert used_css(css, KNOWN) == css


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".gone{top: 0}", ""),
        ("video{top: 0}", ""),
        ("#gone{top: 0}", ""),
        ("[gone]{top: 0}", ""),
        ("[data-x=off]{top: 0}", ""),
        ('[dir="rtl"] a{top: 0}', ""),
        ("a.gone:hover,b{top: 0}", "b{top: 0}"),
        ("main:hover.gone{top: 0}", ""),
        ("@media print{.gone{top: 0}}", ""),
        ("@media print{.gone{top: 0}a{top: 0}}", "@media print{a{top: 0}}"),
        ("a{--x: 1;top: 0}", "a{top: 0}"),
        ("a{--x: 1}", ""),
        ("a{--x: 1}.gone{top: var(--x)}", ""),
        ("/* said */ a { top: 0; }\n", "a{top: 0}"),
        ('@charset "UTF-8";a{top: 0}', "a{top: 0}"),
    ],
)
def test_a_rule_that_can_find_nothing_is_dropped(css: str, kept: str) -> None:
    assert used_css(css, KNOWN) == kept


def test_a_page_asks_for_one_sheet_and_shows_its_text_before_scripts_run() -> None:
    link = '<link rel="stylesheet" href="../assets/{}.css">'
    asked = f'{link.format("x/main")}\n {link.format("own")}<script src="x.min.js"></script>'
    light = lighten(asked + "<gx-tex hidden>x</gx-tex>")
    sheet = '\n      <link rel="stylesheet" href="../assets/site.css">'
    assert light == f'{sheet}<script fetchpriority="low" src="x.min.js" defer></script>'
    with pytest.raises(ValueError, match=r"^a page must ask for a style sheet, or the site's one"):
        lighten("<p>no sheet</p>")


def test_every_page_asks_for_the_one_sheet_and_waits_for_no_script(site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        tags = Page(path.read_text("utf-8")).tags
        sheets = [a["href"] for tag, a in tags if tag == "link" and a.get("rel") == "stylesheet"]
        assert len(sheets) == 1, path
        assert sheets[0].endswith(SHEET), path
        scripts = [a for tag, a in tags if tag == "script" and "src" in a]
        assert len(scripts) > 1
        assert all("defer" in a or a.get("type") == "module" for a in scripts), path
        assert "gx-tex" not in dict(tags), path
    assert "\\\\frac" in (site / "search" / "search_index.json").read_text("utf-8")


# Every class that a formula has and KaTeX gives a style has it in the site's sheet.


def katex_rules_missing(css: str, classes: set[str]) -> list[str]:
    kept = re.sub(r"\s+", "", css)
    whole = (formulas.KATEX / "katex.css").read_text("utf-8")
    whole = re.sub(r"/\*.*?\*/", "", whole, flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{[^{}]*:[^{}]*\}", whole)
    selectors = [one for rule in rules if "@font-face" not in rule for one in rule.split(",")]
    return [
        one
        for one in selectors
        if {*re.findall(r"\.([\w-]+)", one)} <= classes and re.sub(r"\s+", "", one) not in kept
    ]


def classes_of(page: Path) -> set[str]:
    tags = Page(page.read_text("utf-8")).tags
    return {name for _, attributes in tags for name in attributes.get("class", "").split()}


def test_each_class_of_a_formula_has_its_style(site: Path) -> None:
    css = (site / SHEET).read_text("utf-8")
    for page in site.rglob("index.html"):
        assert katex_rules_missing(css, classes_of(page)) == []
    without = css.replace(".mfrac", ".other")
    assert katex_rules_missing(without, classes_of(site / "learn" / "line" / "index.html"))


# Nothing lies in the site's assets that no page leads to.


def stray(site: Path) -> list[str]:
    """Name each file in the assets that no page asks for, nor what a page asks for asks for."""
    reached: set[Path] = set()
    ahead = [*site.rglob("*.html")]
    while ahead:
        path = ahead.pop()
        if path.is_file() and path not in reached:
            reached.add(path)
            ahead += [site / name for name in _asked(path, site)]
    assets = {path for path in (site / "assets").rglob("*") if path.is_file()}
    return sorted(path.relative_to(site).as_posix() for path in assets - reached)


def _asked(path: Path, site: Path) -> list[str]:
    """Return what a page, a style sheet or a script names, from the site's root."""
    if path.suffix not in {".html", ".css", ".js"}:
        return []
    text = path.read_text("utf-8")
    if path.suffix == ".html":
        return re.findall(r'(?<=[/"])assets/[\w./-]+', text)
    here = path.parent.relative_to(site).as_posix()
    named = re.findall(r"""[("']([\w.][\w./-]*)[)"']""", text)
    return [posixpath.normpath(posixpath.join(here, name)) for name in named]


def test_every_asset_is_asked_for(site: Path) -> None:
    assert stray(site) == []


@pytest.mark.parametrize(
    "name", ["assets/x.js", "assets/katex/fonts/x.woff2", "assets/x.min.js.map", "assets/a/x.css"]
)
def test_a_stray_asset_is_noticed(site: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(site, tmp_path / "site"))
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("", "utf-8")
    assert stray(copy) == [name]


def test_an_asset_that_another_stray_one_asks_for_is_noticed(site: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(site, tmp_path / "site"))
    (copy / "assets" / "x.css").write_text("a{background: url(x.png)}", "utf-8")
    (copy / "assets" / "x.png").write_bytes(b"")
    assert stray(copy) == ["assets/x.css", "assets/x.png"]


# How much comes over the wire when a page is opened for the first time. The browser tests count
# what was sent; this counts the same from the files, compressed as a host does by default.

LEVEL = 6
FIRST_VIEW, TEXT = 160_000, 250_000


def sent(page: Path, site: Path) -> int:
    """Return the bytes of a page and of all that it loads, the search's index among them."""
    files = {page, site / "search" / "search_index.json"}
    files |= {site / name for name in _asked(page, site) if "/cards/" not in name}
    if "katex" in classes_of(page):
        _, fonts = formulas.used_css(classes_of(page))
        files |= {site / "assets" / "katex" / "fonts" / font for font in fonts}
    return sum(compressed(file) for file in files)


def compressed(file: Path) -> int:
    content = file.read_bytes()
    return len(content if file.suffix in {".woff2", ".png"} else gzip.compress(content, LEVEL))


def test_a_first_view_is_light(site: Path) -> None:
    weights = {page: sent(page, site) for page in site.rglob("index.html")}
    assert 80_000 < weights[site / "index.html"] <= FIRST_VIEW
    assert {page: weight for page, weight in weights.items() if weight > TEXT} == {}


def test_a_heavy_page_is_noticed(site: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(site, tmp_path / "site"))
    page = copy / "index.html"
    page.write_text(page.read_text("utf8").replace("/mark.svg", "/mark.png"), "utf8")
    (copy / "assets" / "mark.png").write_bytes(bytes(TEXT))
    assert sent(copy / "index.html", copy) > TEXT
