r"""Markdown extension: formulas become KaTeX's HTML and MathML, derivations a grid of steps.

`pymdownx.arithmatex` (generic) finds the formulas; this replaces what it leaves. The macros \true,
\averaged and \gap give a term the site's color for it.
"""

import html
import json
import re
from functools import cache, lru_cache
from pathlib import Path

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor
from py_mini_racer import JSEvalException, MiniRacer

KATEX = Path(__file__).parent / "katex"
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
_STEPS = re.compile(r"\\begin\{(align\*?)\}(?P<steps>.*&&.*)\\end\{\1\}", re.DOTALL)
_PIECE = re.compile(r"\\\\(?:\[[^]]*\])?|\\begin\{|\\end\{|\\.|.", re.DOTALL)
_ANNOTATION = re.compile(r"<annotation .*?</annotation>", re.DOTALL)  # the TeX, which none reads
_IN_HEADING = re.compile(r'<h([1-6])[^>]*>(?:(?!</h\1>).)*"arithmatex"', re.DOTALL)
_RENDER = r"""
tex => display => katex.renderToString(tex, {
  displayMode: display,
  throwOnError: true,
  strict: code => code === "htmlExtension" ? "ignore" : "error",
  trust: context => context.command === "\\htmlClass",
  macros: {
    "\\true": "\\htmlClass{gx-true}{#1}",
    "\\averaged": "\\htmlClass{gx-averaged}{#1}",
    "\\gap": "\\htmlClass{gx-gap}{#1}",
  },
})
"""


class FormulasExtension(Extension):
    """Runs after all other Markdown, on the finished HTML."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register the postprocessor."""
        md.postprocessors.register(_Formulas(md), "gradexplain-formulas", 0)


class _Formulas(Postprocessor):
    def run(self, text: str) -> str:
        heading = _IN_HEADING.search(text)
        if heading:  # its text is also an address, a menu entry and a search title
            raise ValueError(f"a heading must hold no formula, but plain text: {heading[0]}")
        return _FORMULA.sub(_replace, text)


def render(tex: str, *, display: bool = False) -> str:
    r"""Return a formula as HTML for the eye, MathML for the ear and TeX for the search index.

    Raises:
        ValueError: KaTeX refuses the formula.

    >>> "gx-math" in render(r"\bar x")
    True
    """
    return _seen(tex, display=display) + _searched(tex)


def close() -> None:
    """Stop the JavaScript engine; a process that leaves it running may hang at exit."""
    if _engine.cache_info().currsize:
        _engine().close()
        _engine.cache_clear()


def makeExtension(**_: object) -> FormulasExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return FormulasExtension()


def _seen(tex: str, *, display: bool = False) -> str:
    return f"<gx-math data-search-exclude>{_katex(tex, display)}</gx-math>"


def _searched(tex: str) -> str:
    return f"<gx-tex hidden>{html.escape(tex)}</gx-tex>"


def _replace(match: re.Match[str]) -> str:
    tex = html.unescape(match["tex"]).strip()
    if match["tag"] == "span":
        return render(tex)
    steps = _STEPS.fullmatch(tex)
    inside = _derivation(steps["steps"]) if steps else render(tex, display=True)
    kind = "derivation" if steps else "formula"
    return f'<div class="gx-{kind}" tabindex="0" role="group" aria-label="{kind}">{inside}</div>'


def _derivation(steps: str) -> str:
    rows = "".join(_step(row) for row in _rows(steps) if any(row))
    return f'<div class="gx-steps" role="list">{rows}</div>'


def _rows(steps: str) -> list[list[str]]:
    r"""Split at `\\` and `&`, except inside an environment such as a matrix."""
    rows, depth = [[""]], 0
    for piece in _PIECE.findall(steps):
        depth += (piece == r"\begin{") - (piece == r"\end{")
        if depth == 0 and piece.startswith("\\\\"):
            rows.append([""])
        elif depth == 0 and piece == "&":
            rows[-1].append("")
        else:
            rows[-1][-1] += piece
    return [[cell.strip() for cell in row] for row in rows]


def _step(row: list[str]) -> str:
    r"""Return one line `lhs &= rhs && \text{rule}` as a list item of three cells."""
    left, right, rule = _cells(row)
    cells = [
        ("left", left and rf"\displaystyle {left}"),
        ("right", rf"\displaystyle {{}}{right}"),  # {} gives the relation its spaces
        ("rule", rule),
    ]
    inside = "".join(
        f'<span class="gx-{name}">{_seen(tex) if tex else ""}</span>' for name, tex in cells
    )
    hidden = _searched(" ".join(filter(None, row)))
    return f'<div class="gx-step" role="listitem">{inside}{hidden} </div>'


def _cells(row: list[str]) -> tuple[str, str, str]:
    if len(row) == 2:
        return row[0], row[1], ""
    if len(row) == 4 and not row[2]:
        return row[0], row[1], row[3]
    line = " & ".join(row)
    raise ValueError(rf"a derivation's line must be lhs &= rhs && \text{{rule}}, not {line}")


@cache
def _katex(tex: str, display: bool) -> str:  # noqa: FBT001 - a cache key
    call = f"({_RENDER})({json.dumps(tex)})({json.dumps(display)})"
    try:
        return _ANNOTATION.sub("", str(_engine().eval(call)))
    except JSEvalException as error:
        reason = str(error).split("KaTeX parse error: ")[-1].splitlines()[0]
        raise ValueError(f"KaTeX refuses the formula {tex!r}: {reason}") from None


@lru_cache(maxsize=1)
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval((KATEX / "katex.min.js").read_text(encoding="utf-8"))
    return engine
