r"""Sybil parser for displayed formulas: each one is proved, computed, or says why it is not.

A comment stands right above every `$$ … $$`. It is one of these five.

    <!-- derivation: N examples; data x_i, y_i; parameters m, b; f(x) = m x + b; J = … -->
An `align` whose every line names its rule. Each line is read from its own LaTeX and proved equal
to the one before, for batches of two and three; and it must be what its rule, alone, makes of the
line before. The rules are in `rules.RULES`, beside \text{definition of } J for any defined J.

    <!-- identity: data x_i, r_i -->
Equal (=) on both sides whatever the names stand for; or not so (\neq). Proved the same way.

    <!-- numbers: x_i := x; f(z) := sigmoid.derivative(z); \bar x := x.mean() -->
True of the page's own arrays, after the block that makes them: =, \neq, <, >, \leq, \geq, or
\approx within a tenth. Any run of LaTeX may be given a value: `\delta^{l}`, or
`\frac{\partial J}{\partial W^{l}}`.

    <!-- checked by: assert np.isclose(gap, 0.0) -->
A theorem: nothing to compute. Quote the page's assert statement that tests it, or its start.

    <!-- definition: c^l, j^l -->
It claims nothing: it says what its left sides mean. Nobody would notice a slip in it, so where
`numbers` can do it, let it.

`declared` says how names are declared, `latex` what may be written. Several formulas in one display
are divided by \qquad, or are the lines of an `aligned`. What is declared and not used is a fault.
"""

import ast
import re
from collections.abc import Callable, Iterator

from support.pages import at, failure
from sybil import Document, Example, Region

from proof.proofs import (
    definition_faults,
    derivation_faults,
    identity_faults,
    number_faults,
    values,
)
from sitebuild.page import Display, Mark, Page
from sitebuild.proof import proof_block

_KINDS = ("derivation", "identity", "numbers", "checked by", "definition")
_COMMENT = re.compile(rf"<!--\s*({'|'.join(_KINDS)})\b:?(.*)-->", re.DOTALL)
_ALIGN = re.compile(r"\\begin\{align\*?\}")
_OUTSIDE = re.compile(r"\\begin\{|\\\[")
_PROOFS: dict[str, Callable[[str, str], Iterator[str]]] = {
    "derivation": derivation_faults,
    "identity": identity_faults,
    "definition": definition_faults,
}


def parse_derivations(document: Document) -> Iterator[Region]:
    """Yield a region for each displayed formula, which checks it."""
    page = Page(document.text)
    for stray in _OUTSIDE.finditer(page.prose):
        line = document.text.count("\n", 0, stray.start()) + 1
        yield failure(stray.start(), f"{at(document, line)}: {stray[0]} must stand in $$ … $$")
    for display in page.displays:
        try:
            place = _place(document, display)
        except ValueError as error:
            yield failure(display.start, f"{at(document, display.line)}: {error}")
        else:
            yield Region(place, place, display, check_display)


def check_display(example: Example) -> str | None:
    """Return what is wrong with a displayed formula, if anything is."""
    display: Display = example.parsed
    kind, text = declaration(display)
    if _ALIGN.search(display.tex) and kind != "derivation":
        faults = iter(["an align needs a <!-- derivation: … --> right above it"])
    elif kind in _PROOFS:
        faults = _PROOFS[kind](text, display.tex)
    elif kind == "numbers":
        faults = number_faults(text, display.tex, dict(example.namespace))
    elif kind == "checked by":
        faults = _unasserted(text, example.document.text)
    else:
        kinds = ", ".join(_KINDS)
        faults = iter([f"a displayed formula needs right above it one of <!-- {kinds}: … -->"])
    words = [f"{at(example.document, display.line)}: {fault}" for fault in faults]
    return "\n".join(words) or None


def declaration(display: Display) -> tuple[str, str]:
    """Return the kind of check that the comment above the formula asks for, and its text."""
    match = _COMMENT.fullmatch(display.comment)
    return (match[1], match[2].strip()) if match else ("", "")


def _place(document: Document, display: Display) -> int:
    """Return where to check: where the page's arrays are made, if the check reads any."""
    kind, text = declaration(display)
    if kind != "numbers":
        return display.start
    everything = "(" + "".join(f"({value}), " for value in values(text).values()) + ")"
    mark = Mark(display.start, display.start, display.line, "0", everything)
    return proof_block(mark, Page(document.text).blocks).end


def _unasserted(quoted: str, page: str) -> Iterator[str]:
    asserts = {
        " ".join((ast.get_source_segment(block.source, node) or "").split())
        for block in Page(page).blocks
        for node in ast.walk(ast.parse(block.source))
        if isinstance(node, ast.Assert)
    }
    words = " ".join(quoted.split())
    found = [each for each in asserts if each.startswith(words)]
    if words in ("", "assert") or len(found) != 1:
        yield f"{words!r} must be the start of one assert statement of the page, not {len(found)}"
