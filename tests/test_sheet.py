"""What a page carries, and nothing that no page asks for."""

import posixpath
import re
import shutil
from pathlib import Path

import pytest
from test_site import Page

from sitebuild import formulas
from sitebuild.sheet import SHEET, leave_color_scheme, one_sheet
from sitebuild.site import Site


def test_a_page_asks_for_one_sheet_and_shows_its_text_before_scripts_run() -> None:
    link = '<link rel="stylesheet" href="../assets/{}.css">'
    asked = f'{link.format("x/main")}\n {link.format("own")}<script src="x.min.js"></script>'
    site = Site("a site", "/", "", ())
    light = one_sheet(asked + "<gx-tex hidden>x</gx-tex>", "page/", site)
    sheet = '\n      <link rel="stylesheet" href="../assets/site.css">'
    assert light == f'{sheet}<script fetchpriority="low" src="x.min.js" defer></script>'
    with pytest.raises(ValueError, match=r"^a page must ask for a style sheet, or the site's one"):
        one_sheet("<p>no sheet</p>", "", site)


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


def test_the_sheet_holds_the_rules_of_the_theme_of_katex_and_of_this_site(site: Path) -> None:
    css = (site / SHEET).read_text("utf-8")
    for name in [".md-typeset", "[data-md-color-scheme=slate]", ".katex .mfrac", ".gx-figure"]:
        assert name in css
    for restyling in [".tabbed-set>", "[data-md-color-switching]", "not([class])"]:
        assert restyling not in css
    fonts = {path.name for path in (site / "assets/katex/fonts").iterdir()}
    assert fonts == {path.name for path in (formulas.KATEX / "fonts").iterdir()}
    assert fonts == set(re.findall(r"url\(katex/fonts/([^)]+)\)", css))


def test_the_theme_s_script_restyles_no_page_to_say_which_palette_it_has(
    site: Path, tmp_path: Path
) -> None:
    [bundle] = (site / "assets/javascripts").glob("bundle.*.min.js")
    assert '{name:"palette"}' in bundle.read_text("utf-8")
    other = shutil.copy(bundle, tmp_path / "bundle.js")
    with pytest.raises(
        ValueError, match=r"^the theme's script must hold {name:.* once, not 0 times"
    ):
        leave_color_scheme(Path(other))


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
