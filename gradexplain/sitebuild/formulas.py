r"""Markdown extension: formulas become KaTeX's HTML and MathML at build, derivations a grid of steps.

`pymdownx.arithmatex` (generic) finds the formulas; this replaces what it leaves. The macros \true,
\averaged and \gap give a term the site's colour for it.
"""

import html
import json
import re
from functools import lru_cache
from pathlib import Path

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor
from py_mini_racer import JSEvalException, MiniRacer

KATEX = Path(__file__).parent / "katex"
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
_STEPS = re.compile(r"\\begin\{align\*?\}(?P<steps>.*&&.*)\\end\{align\*?\}", re.DOTALL)
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
        return _FORMULA.sub(_replace, text)


def render(tex: str, *, display: bool = False) -> str:
    r"""Return a formula as HTML for the eye, MathML for the ear and TeX for the search index.

    Raises:
        ValueError: KaTeX refuses the formula.

    >>> "gx-math" in render(r"\bar x")
    True
    """
    hidden = f"<gx-tex hidden>{html.escape(tex)}</gx-tex>"
    return f"<gx-math data-search-exclude>{_katex(tex, display)}</gx-math>{hidden}"


def close() -> None:
    """Stop the JavaScript engine; a process that leaves it running may hang at exit."""
    if _engine.cache_info().currsize:
        _engine().close()
        _engine.cache_clear()


def used_css(classes: set[str]) -> tuple[str, list[str]]:
    """Return KaTeX's style sheet without the fonts that `classes` never ask for, and the others.

    The rules that name a font say which classes need it, so nothing is listed by hand.
    """
    css = (KATEX / "katex.css").read_text(encoding="utf-8")
    faces = re.findall(r"@font-face \{.*?\n\}\n", css, re.DOTALL)
    rules = css
    for face in faces:
        rules = rules.replace(face, "")
    needed = {("KaTeX_Main", "normal", "normal"), *_needed_faces(rules, classes)}
    kept = [face for face in faces if _face(face) in needed]
    fonts = [re.findall(r"url\(fonts/(.*?)\)", face)[0] for face in kept]
    return "".join(kept) + rules, fonts


def makeExtension(**_: object) -> FormulasExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return FormulasExtension()


def _replace(match: re.Match[str]) -> str:
    tex = html.unescape(match["tex"]).strip()
    if match["tag"] == "span":
        return render(tex)
    steps = _STEPS.search(tex)
    inside = _derivation(steps["steps"]) if steps else render(tex, display=True)
    kind = "derivation" if steps else "formula"
    return f'<div class="gx-{kind}" tabindex="0" role="group" aria-label="{kind}">{inside}</div>'


def _derivation(steps: str) -> str:
    rows = [_step(row) for row in re.split(r"\\\\", steps) if row.strip()]
    return f'<div class="gx-steps" role="list">{"".join(rows)}</div>'


def _step(row: str) -> str:
    r"""Return one line `lhs &= rhs && \text{rule}` as a list item of three cells."""
    formula, _, rule = row.partition("&&")
    left, _, right = formula.partition("&")
    cells = [("left", left), ("right", "{}" + right.strip()), ("rule", rule)]
    inside = "".join(
        f'<span class="gx-{name}">{render(_displayed(name, tex.strip())) if tex.strip() else ""}</span>'
        for name, tex in cells
    )
    return f'<div class="gx-step" role="listitem">{inside}</div>'


def _displayed(name: str, tex: str) -> str:
    return tex if name == "rule" else rf"\displaystyle {tex}"


@lru_cache(maxsize=None)
def _katex(tex: str, display: bool) -> str:  # noqa: FBT001 - a cache key
    call = f"({_RENDER})({json.dumps(tex)})({json.dumps(display)})"
    try:
        return str(_engine().eval(call))
    except JSEvalException as error:
        reason = str(error).split("KaTeX parse error: ")[-1].splitlines()[0]
        raise ValueError(f"KaTeX refuses the formula {tex!r}: {reason}") from None


@lru_cache(maxsize=1)
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval((KATEX / "katex.min.js").read_text(encoding="utf-8"))
    return engine


def _needed_faces(rules: str, classes: set[str]) -> set[tuple[str, str, str]]:
    needed = set()
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", rules):
        family = re.search(r"font-family:\s*\"?(KaTeX_\w+)", body)
        asked = any(
            set(re.findall(r"\.([\w-]+)", selector)) - {"katex"} <= classes
            for selector in selectors.split(",")
        )
        if family and asked:
            needed.add((family[1], _property(body, "weight"), _property(body, "style")))
    return needed


def _face(face: str) -> tuple[str, str, str]:
    family = re.findall(r"font-family:\s*\"?(KaTeX_\w+)", face)[0]
    return family, _property(face, "weight"), _property(face, "style")


def _property(body: str, name: str) -> str:
    found = re.search(rf"font-{name}:\s*(\w+)", body)
    return found[1] if found else "normal"
