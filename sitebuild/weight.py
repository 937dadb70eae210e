"""What a page need not carry: styles that nothing on the site has, files that nothing asks for.

The theme brings a rule for all that it could show, in sheets of its own. Here every sheet goes into
one, without the rules whose elements, classes or attributes stand in no page and in no script.
"""

import re
import shutil
from functools import lru_cache
from pathlib import Path

from tinycss2 import (  # type: ignore[import-untyped]
    parse_blocks_contents,
    parse_rule_list,
    parse_stylesheet,
    serialize,
)
from tinycss2.ast import Node  # type: ignore[import-untyped]

from sitebuild import formulas

SHEET = "assets/site.css"
_CREDIT = (
    "/* Styles of Material for MkDocs, of KaTeX (katex/LICENSE) and of this site, all MIT */\n"
)
_LINK = re.compile(r'\s*<link rel="stylesheet" href="(?P<root>[^"]*?)assets/[^"]+\.css">')
_SEARCHED = re.compile(r"<gx-tex hidden>.*?</gx-tex>", re.DOTALL)  # the index has it by now
_HOLDS_NAMES = re.compile(r"<script\b.*?</script>|<[^!>][^>]*>", re.DOTALL)
#: Names in the theme's script which no element has: it asks whether the text runs from the right,
#: and it stops all transitions with the palette, for which the whole page is styled twice a visit.
_UNSET = {"rtl", "data-md-color-switching"}
_NAME = re.compile(r"[\w-]+")
_READ = re.compile(r"var\(\s*(--[\w-]+)")


def lighten(page: str) -> str:
    """Ask for one style sheet in place of all, show the text before scripts, drop what is not read.

    Raises:
        ValueError: the page asks for no style sheet.
    """
    first = _LINK.search(page)
    if first is None:
        raise ValueError("a page must ask for a style sheet, or the site's one finds no place")
    link = f'\n      <link rel="stylesheet" href="{first["root"]}{SHEET}">'
    page = page[: first.start()] + link + _LINK.sub("", page[first.start() :])
    page = page.replace("<script src=", '<script fetchpriority="low" src=')
    page = page.replace('.min.js"></script>', '.min.js" defer></script>')
    return _SEARCHED.sub("", page)


def finish(site: Path, extra_css: list[str]) -> None:
    """Write the one style sheet, KaTeX's fonts beside it, and remove what nothing asks for."""
    theme = site / "assets" / "stylesheets"
    [main], [palette] = theme.glob("main.*.css"), theme.glob("palette.*.css")
    sheets = [main, palette, *(site / name for name in extra_css)]
    css = "".join(path.read_text(encoding="utf-8") for path in sheets)
    _remove_source_maps(site)
    for path in sheets:
        path.unlink()
    theme.rmdir()  # no third sheet is forgotten
    shutil.rmtree(site / "assets" / "javascripts" / "lunr")  # languages that are not ours
    shutil.rmtree(site / "assets" / "images")  # the theme's own favicon
    used = used_css(css + _katex(site), names(site))
    (site / SHEET).write_text(_CREDIT + used, encoding="utf-8")


def names(site: Path) -> frozenset[str]:
    """Return each name that an element may have: all words in tags and in scripts."""
    texts = [path.read_text(encoding="utf-8") for path in site.rglob("*.js")]
    for path in site.rglob("*.html"):
        texts += _HOLDS_NAMES.findall(path.read_text(encoding="utf-8"))
    return frozenset(name for text in texts for name in _NAME.findall(text)) - _UNSET


@lru_cache(maxsize=1)  # under `serve`, most edits change no name
def used_css(css: str, known: frozenset[str]) -> str:
    """Return the rules that ask for known names alone, without the variables that none reads.

    >>> known = frozenset({"a", "b", "y"})
    >>> used_css("a.x, b:hover { --c: red; color: var(--c) } .y { top: 0 }", known)
    'b:hover{--c: red;color: var(--c)}.y{top: 0}'
    """
    rules = parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    kept = _rules(rules, known)
    read = known | {*_READ.findall(kept)}
    return _rules(parse_stylesheet(kept), known, read)


def asked(selector: list[Node]) -> set[str]:
    """Return the elements, classes, ids and attributes without which a selector finds nothing.

    What stands in the brackets of :not, :is or :has is left aside, for it may be absent.
    """
    found, after = set(), None
    for token in selector:
        if token.type == "hash" or (token.type == "ident" and after != ":"):
            found.add(token.value)
        elif token.type == "[] block":
            found |= _attribute(token.content)
        after = token
    return found


def _attribute(content: list[Node]) -> set[str]:
    """Return an attribute's name, and its value where that must be a whole word."""
    words = [token.value for token in content if token.type in {"ident", "string"}]
    whole = "=" in content or "~=" in content
    return {words[0], *(word for word in words[1:] if whole and _NAME.fullmatch(word))}


def _rules(rules: list[Node], known: frozenset[str], read: frozenset[str] | None = None) -> str:
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            head = ",".join(
                serialize(selector).strip()
                for selector in _selectors(rule.prelude)
                if asked(selector) <= known
            )
            kept.append((head, _declarations(rule.content, read) if head else ""))
        elif rule.at_keyword in {"media", "supports", "container"}:
            inside = parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            kept.append((_opening(rule), _rules(inside, known, read)))
        elif rule.content is not None:  # a font, frames of a motion, a sheet of paper
            kept.append((_opening(rule), serialize(rule.content).strip()))
    return "".join(f"{head}{{{body}}}" for head, body in kept if body)


def _opening(rule: Node) -> str:
    return f"@{rule.at_keyword} {serialize(rule.prelude).strip()}".strip()


def _selectors(prelude: list[Node]) -> list[list[Node]]:
    """Split a list of selectors at its commas."""
    parts: list[list[Node]] = [[]]
    for node in prelude:
        if node == ",":
            parts.append([])
        else:
            parts[-1].append(node)
    return parts


def _declarations(content: list[Node], read: frozenset[str] | None) -> str:
    """Return what a rule sets, without the variables that nothing reads, if those are known."""
    found = parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return ";".join(
        serialize([one]).strip(" ;")
        for one in found
        if read is None or not one.name.startswith("--") or one.name in read
    )


def _remove_source_maps(site: Path) -> None:
    """Remove what only a debugger reads, and the lines that name it."""
    for path in site.rglob("*.map"):
        path.unlink()
    for path in site.rglob("*.min.js"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\n//# sourceMappingURL=.*\s*$", "\n", text), encoding="utf-8")


def _katex(site: Path) -> str:
    """Return KaTeX's rules and lay its fonts beside them, those that the site's formulas use."""
    pages = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
    lists = [found for page in pages for found in re.findall(r'class="([^"]*)"', page)]
    classes = {name for found in lists for name in found.split()}
    if "katex" not in classes:
        return ""
    css, fonts = formulas.used_css(classes)
    folder = site / "assets" / "katex"
    (folder / "fonts").mkdir(parents=True)
    shutil.copy(formulas.KATEX / "LICENSE", folder)
    for font in fonts:
        shutil.copy(formulas.KATEX / "fonts" / font, folder / "fonts")
    return css.replace("url(fonts/", "url(katex/fonts/")
