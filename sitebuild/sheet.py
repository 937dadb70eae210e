"""The site's one style sheet, in place of the theme's, KaTeX's and our own; and what nobody loads.

The theme's rules are kept, but for those of tabs, which no page has, and the one that stops
transitions while the palette is switched: with them, and where a rule names tables without a class,
a browser styles a whole page again whenever the theme's script runs. To prune more would save each
reader 15 KB, and break with each new release.
"""

import re
import shutil
from pathlib import Path

from sitebuild import formulas
from sitebuild.site import Site

SHEET = "assets/site.css"
_CREDIT = (
    "/* Styles of Material for MkDocs, of KaTeX (katex/LICENSE) and of this site, all MIT */\n"
)
_LINK = re.compile(r'\s*<link rel="stylesheet" href="[^"]*assets/[^"]+\.css">')
_SEARCHED = re.compile(r"<gx-tex hidden>.*?</gx-tex>", re.DOTALL)  # the index has it by now
_SELECTOR = r"[^{},]*(?:\.tabbed-|\[data-md-color-switching\])[^{},]*"
_RESTYLING = re.compile(rf"(?<=[}}{{]){_SELECTOR}(?:,{_SELECTOR})*\{{[^{{}}]*\}}")
_TABLES = "table:not([class])", "table.gx-table"  # the class that the step "tables" gives them
_SCHEME = '{name:"color-scheme"}'
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def one_sheet(page: str, address: str, site: Site) -> str:
    """Ask for one style sheet in place of all, show the text before scripts, drop what is not read.

    Raises:
        ValueError: the page asks for no style sheet.
    """
    first = _LINK.search(page)
    if first is None:
        raise ValueError("a page must ask for a style sheet, or the site's one finds no place")
    link = f'\n      <link rel="stylesheet" href="{site.root(address)}{SHEET}">'
    page = page[: first.start()] + link + _LINK.sub("", page[first.start() :])
    page = page.replace("<script src=", '<script fetchpriority="low" src=')
    page = page.replace('.min.js"></script>', '.min.js" defer></script>')
    return _SEARCHED.sub("", page)


def write(folder: Path, extra_css: list[str]) -> None:
    """Write the one style sheet, KaTeX's fonts beside it, and remove what nothing asks for."""
    assets = folder / "assets"
    theme = assets / "stylesheets"
    [main], [palette] = theme.glob("main.*.css"), theme.glob("palette.*.css")
    sheets = [main, palette, *(folder / name for name in extra_css)]
    css = [path.read_text(encoding="utf-8") for path in (*sheets, formulas.KATEX / "katex.css")]
    _remove_source_maps(folder)
    [bundle] = (assets / "javascripts").glob("bundle.*.min.js")
    leave_color_scheme(bundle)
    for path in sheets:
        path.unlink()
    theme.rmdir()  # no third sheet is forgotten
    shutil.rmtree(assets / "javascripts" / "lunr")  # languages that are not ours
    shutil.rmtree(assets / "images")  # the theme's own favicon
    shutil.copytree(formulas.KATEX / "fonts", assets / "katex" / "fonts")
    shutil.copy(formulas.KATEX / "LICENSE", assets / "katex")
    css[:2] = [_RESTYLING.sub("", text).replace(*_TABLES) for text in css[:2]]
    css[-1] = css[-1].replace("url(fonts/", "url(katex/fonts/")
    (folder / SHEET).write_text(_CREDIT + _COMMENT.sub("", "".join(css)), encoding="utf-8")


def _remove_source_maps(folder: Path) -> None:
    """Remove what only a debugger reads, and the lines that name it."""
    for path in folder.rglob("*.map"):
        path.unlink()
    for path in folder.rglob("*.min.js"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\n//# sourceMappingURL=.*\s*$", "\n", text), encoding="utf-8")


def leave_color_scheme(bundle: Path) -> None:
    """Leave it to our style and script to say whether the window is light or dark.

    The theme's script says so in a `<meta>`. When one comes, and when what it says changes, a
    browser styles the whole page again.

    Raises:
        ValueError: it says so in other words.
    """
    text = bundle.read_text(encoding="utf-8")
    found = text.count(_SCHEME)
    if found != 1:
        raise ValueError(f"the theme's script must hold {_SCHEME} once, not {found} times")
    bundle.write_text(text.replace(_SCHEME, '{name:"palette"}'), encoding="utf-8")
