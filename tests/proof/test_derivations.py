"""The checks of displayed formulas are shown something wrong, token by token, and must notice."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.alterations import alterations
from support.collect import pages
from support.pages import ROOT, parse_blocks
from sybil import Document
from sybil.example import SybilFailure

from proof.derivations import declaration, parse_derivations
from proof.latex import shown, tokens
from proof.proofs import (
    derivation_faults,
    identity_faults,
    number_faults,
    rule_fault,
    steps,
    value_fault,
)
from proof.rules import RULES
from sitebuild.numbers import link_numbers
from sitebuild.page import Display, Page

#: What may be altered without a fault, and why it changes nothing.
EQUIVALENT = {
    r"⟨([a-zA-Z\d]|\\\w+)(?:\\,)? ([a-zA-Z\d]|\\\w+) → \2 (?:\\,)? \1⟩": "a product commutes",
    r"⟨(vector|numbers) → (vector|parameters)⟩": "it holds for any number, and any number of them",
}
#: A derivation for each rule that the pages may use: what is declared, and its lines.
SAMPLES = {
    "product rule": (
        r"parameters m; functions u(\cdot), v(\cdot)",
        r"""\frac{\partial}{\partial m} \left(u(m) v(m)\right)
        &= \frac{\partial}{\partial m} (u(m)) v(m) + u(m) \frac{\partial}{\partial m} v(m)
        && \text{product rule} \\
        &= u'(m) v(m) + u(m) v'(m) && \text{differentiate}""",
    ),
    "chain rule": (
        r"data y_i; parameters w; numbers c; functions g(\cdot)",
        r"""\frac{\partial}{\partial w} \left((y_i - g(c w))^3\right)
        &= 3 (y_i - g(c w))^2 \frac{\partial}{\partial w} (y_i - g(c w)) && \text{chain rule} \\
        &= 3 (y_i - g(c w))^2 \left(\frac{\partial}{\partial w} y_i
          + \frac{\partial}{\partial w} (-g(c w))\right) && \text{sum rule} \\
        &= 3 (y_i - g(c w))^2 \left(\frac{\partial}{\partial w} y_i
          - \frac{\partial}{\partial w} g(c w)\right) && \text{factor rule} \\
        &= 3 (y_i - g(c w))^2 \left(\frac{\partial}{\partial w} y_i
          - g'(c w) \frac{\partial}{\partial w} (c w)\right) && \text{chain rule} \\
        &= 3 (y_i - g(c w))^2 \left(0 - g'(c w) c\right) && \text{differentiate} \\
        &= -3 c g'(c w) (y_i - g(c w))^2 && \text{rearrange}""",
    ),
    "chain rule by way of a name": (
        r"""data x_i, y_i; parameters w; functions \sigma(\cdot), L(\cdot, \cdot)
        z_i = w x_i; \hat y_i = \sigma(z_i); \ell_i = L(\hat y_i, y_i)""",
        r"""\frac{\partial \ell_i}{\partial w}
        &= \frac{\partial \ell_i}{\partial \hat y_i} \frac{\partial \hat y_i}{\partial w}
        && \text{chain rule} \\
        &= \frac{\partial \ell_i}{\partial \hat y_i} \frac{\partial \hat y_i}{\partial z_i}
          \frac{\partial z_i}{\partial w} && \text{chain rule} \\
        &= \frac{\partial \ell_i}{\partial \hat y_i} \frac{\partial}{\partial z_i} (\sigma(z_i))
          \frac{\partial z_i}{\partial w} && \text{definition of } \hat y \\
        &= \frac{\partial \ell_i}{\partial \hat y_i} \sigma'(z_i)
          \frac{\partial z_i}{\partial w} && \text{differentiate}""",
    ),
    "means": (
        "N examples; data x_i, y_i; parameters m; r_i = y_i - m x_i",
        r"""\frac{\partial}{\partial m} \mathrm{E}[r^2]
        &= \mathrm{E}\left[\frac{\partial}{\partial m} (r^2)\right]
        && \text{linearity of the mean} \\
        &= \mathrm{E}\left[2 r \frac{\partial r}{\partial m}\right] && \text{chain rule} \\
        &= \mathrm{E}\left[2 r \frac{\partial}{\partial m} (y - m x)\right]
        && \text{definition of } r \\
        &= \mathrm{E}[2 r (-x)] && \text{differentiate} \\
        &= -2 \mathrm{E}[x r] && \text{linearity of the mean} \\
        &= -2 \frac{1}{N} \sum_{i=1}^{N} x_i r_i && \text{definition of the mean}""",
    ),
    "covariance": (
        "data x_i, r_i; numbers c",
        r"""\mathrm{E}[(x + c) r] &= \mathrm{E}[x r] + c \mathrm{E}[r]
        && \text{linearity of the mean} \\
        &= \mathrm{E}[x] \mathrm{E}[r] + \mathrm{Cov}(x, r) + c \mathrm{E}[r]
        && \text{definition of the covariance}""",
    ),
    "covariance, the other way": (
        "data x_i; numbers c",
        r"""c \mathrm{Var}(x) - \mathrm{Cov}(x^2, x)
        &= c (\mathrm{E}[x^2] - \mathrm{E}[x]^2) - \mathrm{Cov}(x^2, x)
        && \text{definition of the variance} \\
        &= c (\mathrm{E}[x^2] - \mathrm{E}[x]^2)
          - (\mathrm{E}[x^2 x] - \mathrm{E}[x^2] \mathrm{E}[x])
        && \text{definition of the covariance}""",
    ),
    "exponential": (
        r"""data C_i; parameters \theta; numbers a, b; e = \exp(1)
        \ell_i(\theta) = C_i e^{a \theta} - \frac{b}{a}""",
        r"""\nabla \ell_i(\theta) &= \nabla \left(C_i e^{a \theta} - \frac{b}{a}\right)
        && \text{definition of } \ell \\
        &= C_i a e^{a \theta} && \text{differentiate} \\
        &= a \left(C_i e^{a \theta} - \frac{b}{a}\right) + b && \text{rearrange} \\
        &= a \ell_i(\theta) + b && \text{definition of } \ell""",
    ),
}


def _align(lines: str) -> str:
    return rf"\begin{{align}} {lines} \end{{align}}"


def _on_pages() -> Iterator[tuple[Path, Display]]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for display in Page(path.read_text(encoding="utf-8")).displays:
            yield path, display


@pytest.mark.parametrize("name", SAMPLES)
def test_no_altered_sample_goes_unnoticed(name: str) -> None:
    text, lines = SAMPLES[name]
    _assert_noticed("derivation", text, _align(lines), {})


@pytest.mark.parametrize(
    ("path", "display"),
    [pytest.param(*both, id=f"{both[0].name}-{both[1].line}") for both in _on_pages()],
)
def test_no_altered_formula_goes_unnoticed(path: Path, display: Display) -> None:
    """But definitions and theorems claim nothing that could be computed."""
    kind, text = declaration(display)
    if kind not in ("definition", "checked by"):
        namespace = _namespace(path, display) if kind == "numbers" else {}
        _assert_noticed(kind, text, display.tex, namespace)


def _assert_noticed(kind: str, text: str, tex: str, namespace: dict[str, Any]) -> None:
    assert _fault(kind, (text, tex), namespace) == ""
    altered = _altered(text, tex)
    assert len(altered) > len(tokens(tex))
    unnoticed = [each for each in altered if not _fault(kind, each[1:], namespace)]
    assert [each[0] for each in unnoticed if not _is_equivalent(*each, tex)] == []


def _altered(text: str, tex: str) -> list[tuple[str, str, str]]:
    """Return what is altered, and the declaration and the formula with it."""
    formulas = [(what, text, new) for what, new in alterations(tex, text)]
    return formulas + [(what, new, tex) for what, new in alterations(text, tex)]


def _is_equivalent(what: str, _: str, altered: str, tex: str) -> bool:
    """Say whether a listed reason excuses it, or only a color begins or ends elsewhere."""
    recolored = altered != tex and tokens(altered) == tokens(tex)
    return recolored or any(re.search(pattern, what) for pattern in EQUIVALENT)


def _namespace(path: Path, display: Display) -> dict[str, Any]:
    """Run the page as far as the check of the formula."""
    document = _document(path.read_text(encoding="utf-8"))
    for example in document:
        if example.parsed == display:
            return dict(document.namespace)
        if not isinstance(example.parsed, Display):
            example.evaluate()
    raise AssertionError("the formula is not checked")


def _document(page: str) -> Document:
    document = Document(page, "page.md")
    for parse in (parse_blocks, parse_derivations):
        for region in parse(document):
            document.add(region)
    return document


def _fault(kind: str, both: Sequence[str], namespace: dict[str, Any]) -> str:
    """Return the first fault of a declaration and its formula; empty if there is none."""
    text, tex = both
    if kind == "numbers":
        try:
            return next(number_faults(text, tex, namespace), "")
        except Exception as error:  # noqa: BLE001 - a page's expression may raise anything
            return repr(error)
    check = {"derivation": derivation_faults, "identity": identity_faults}[kind]
    return next(check(text, tex), "")


def test_what_an_alteration_is() -> None:
    altered = dict(alterations(r"m_1 + \text{sum rule}", "x"))
    assert altered["…⟨m → x⟩_1 + \\text{s…"] == r"x _1 + \text{sum rule}"
    texts = {" ".join(text.split()) for text in altered.values()}
    assert {
        r"_1 + \text{sum rule}",
        r"q _1 + \text{sum rule}",
        r"m^ 1 + \text{sum rule}",
        r"m_7 + \text{sum rule}",
        r"m_1 - \text{sum rule}",
        r"m_1 + \text{chain rule}",
        r"m_1 + \text{rule}",
        r"_ m 1 + \text{sum rule}",
        r"m_1 \text{sum rule} +",
    } <= texts
    assert len(altered) == len(texts) == 17 + len(RULES) + 3


@pytest.mark.parametrize("pattern", EQUIVALENT)
def test_every_equivalence_is_needed(pattern: str) -> None:
    """One that no page has any more must not stay to excuse another."""
    for path, display in _on_pages():
        kind, text = declaration(display)
        alike = [each for each in _altered(text, display.tex) if re.search(pattern, each[0])]
        if alike and kind in ("derivation", "identity", "numbers"):
            namespace = _namespace(path, display) if kind == "numbers" else {}
            if any(not _fault(kind, each[1:], namespace) for each in alike):
                return
    raise AssertionError("no alteration on the pages needs it")


def test_a_truncated_line_is_noticed() -> None:
    """Each line of each derivation, cut short after each of its tokens."""
    for text, tex in [*_derivations()]:
        for before, after, rule in steps(tex):
            for end in range(len(after)):
                assert value_fault(text, before, after[:end]), shown(after[:end])
                assert rule_fault(text, before, after[:end], rule), shown(after[:end])


def _derivations() -> Iterator[tuple[str, str]]:
    yield from ((text, _align(lines)) for text, lines in SAMPLES.values())
    for _, display in _on_pages():
        kind, text = declaration(display)
        if kind == "derivation":
            yield text, display.tex


def test_every_rule_is_shown_at_work() -> None:
    used = {rule for _, tex in _derivations() for _, _, rule in steps(tex)}
    assert {rf"\text{{{name}}}" for name in RULES} <= {each[0] for each in used}


# Steps that are true but do more than their rule, or something else; and some that are false.
NOT_THE_RULE = [
    ("sum rule", r"\nabla (2 \sum_{i=1}^{N} x_i w)", r"2 \sum_{i=1}^{N} \nabla (x_i w)"),
    ("sum rule", r"\nabla (x_1 w + 0)", r"x_1 + \nabla (0)"),
    ("sum rule", r"\nabla (x_1 w + w)", r"\nabla (w) + \nabla (w x_1) + 0"),
    ("sum rule", r"\nabla \left(\sum_{i=1}^{N} x_i w\right)", r"\sum_{i=1}^{N} x_i"),
    ("sum rule", r"\sum_{i=1}^{N} (x_i + w)", r"\sum_{i=1}^{N} x_i + \sum_{i=1}^{N} w"),
    ("sum rule", r"\nabla (x_1 w)", r"\nabla (x_1 w)"),
    ("factor rule", r"\nabla (w x_1)", r"w \nabla (x_1)"),
    ("factor rule", r"\nabla (2 w^2)", r"2 (2 w)"),
    ("factor rule", r"\nabla (x_1 (w + w))", r"x_1 \nabla (2 w)"),
    ("factor rule", r"\sum_{i=1}^{N} 2 x_i", r"2 \sum_{i=1}^{N} x_i"),
    ("chain rule", r"\nabla \left((w x_1)^2\right)", r"2 w x_1 x_1"),
    ("chain rule", r"\nabla \left((w x_1)^2\right)", r"2 \nabla (w x_1)"),
    ("chain rule", r"\nabla (g(w x_1))", r"g(w x_1) \nabla (w x_1)"),
    ("chain rule", r"\nabla (g(w x_1))", r"x_1 g'(w x_1)"),
    ("product rule", r"\nabla (w g(w))", r"g(w) + w g'(w)"),
    ("product rule", r"\nabla (w g(w))", r"\nabla (w) \nabla (g(w))"),
    ("differentiate", r"\nabla (h(w))", r"2 w"),
    ("differentiate", r"\nabla (w^2) + 0", r"w + w + 0 w"),
    ("differentiate", r"2 \nabla (w^2)", r"2 \nabla (w^2)"),
    ("differentiate", r"\nabla (w^2)", r"w \nabla (2 w)"),
    ("rearrange", r"\nabla (w^2)", r"2 w"),
    ("rearrange", r"2 \nabla (w^2)", r"\nabla (2 w^2)"),
    ("rearrange", r"h(w)", r"w^2"),
    ("rearrange", r"\mathrm{E}[2 x]", r"2 \mathrm{E}[x]"),
    ("rearrange", r"\mathrm{Var}(x)", r"\mathrm{Cov}(x, x)"),
    ("rearrange", r"w x_1", r"x_1 w"),
    ("rearrange", r"w x_1", r"w x_2"),
    ("definition of h", r"h(w)", r"w w"),
    ("definition of h", r"h(w) + 0", r"w^2"),
    ("definition of h", r"h(w)", r"h(w)"),
    ("definition of h", r"h(w x_1)", r"w^2 x_1"),
    ("linearity of the mean", r"\mathrm{E}[x^2]", r"\mathrm{E}[x]^2"),
    ("linearity of the mean", r"\mathrm{E}[2 x]", r"\mathrm{E}[x + x]"),
    ("linearity of the mean", r"\nabla \mathrm{E}[w x]", r"\mathrm{E}[x]"),
    ("definition of the mean", r"\mathrm{E}[x]", r"\frac{1}{N} \sum_{i=1}^{N} x_1"),
    ("definition of the mean", r"\mathrm{E}[x]", r"\sum_{i=1}^{N} \frac{1}{N} x_i"),
    ("definition of the mean", r"\mathrm{E}[x x]", r"\frac{1}{N} \sum_{i=1}^{N} x_i^2"),
    (
        "definition of the covariance",
        r"\mathrm{Cov}(x, x)",
        r"\mathrm{E}[x x] - \mathrm{E}[x]^2",
    ),
    ("definition of the variance", r"\mathrm{Var}(x)", r"\mathrm{E}[x x] - \mathrm{E}[x]^2"),
]


@pytest.mark.parametrize(("rule", "before", "after"), NOT_THE_RULE)
def test_a_rule_that_was_not_applied_or_not_alone(rule: str, before: str, after: str) -> None:
    text = r"N examples; data x_i; parameters w; functions g(\cdot); h(t) = t^2"
    words = rule.partition(" h")
    name = rf"\text{{{words[0]}}} {words[1]}"
    fault = rule_fault(text, tokens(before), tokens(after), tokens(name))
    assert fault.endswith(f"lead from {shown(tokens(before))} to {shown(tokens(after))}")


PAGE = """Text.

```python
gap = 0.5
assert gap == 0.5, "half"
assert (gap <
        1)
```

{comment}
$$
{tex}
$$
"""
NO_ASSERT = "must be the start of one assert statement of the page, not "
NO_COMMENT = (
    "a displayed formula needs right above it one of"
    " <!-- derivation, identity, numbers, checked by, definition: … -->"
)


@pytest.mark.parametrize(
    ("comment", "tex", "fault"),
    [
        ("", "g = 1", NO_COMMENT),
        ("<!-- a note -->", "g = 1", NO_COMMENT),
        ("<!-- definition: g -->\n\nText between.\n", "g = 1", NO_COMMENT),
        ("<!-- definition: g -->", "g = 1", ""),
        ("<!-- definition: g, h^l -->", r"g = 1 \qquad h^l = 2", ""),
        (
            "<!-- definition: g -->",
            r"g = 1 \qquad h = 2",
            "g is said to be defined here, but g, h stands on the left",
        ),
        ("<!-- definition: g -->", "1", "1 claims nothing"),
        ('<!-- checked by: assert gap == 0.5, "half" -->', "g = 1", ""),
        ("<!-- checked by: assert (gap < 1) -->", "g = 1", ""),
        ("<!-- checked by: assert gap -->", "g = 1", ""),
        ("<!-- checked by: assert -->", "g = 1", f"'assert' {NO_ASSERT}2"),
        ("<!-- checked by: gap == 0.5 -->", "g = 1", f"'gap == 0.5' {NO_ASSERT}0"),
        ("<!-- checked by: -->", "g = 1", f"'' {NO_ASSERT}2"),
        ("<!-- numbers: g := gap -->", "2 g = 1", ""),
        ("<!-- numbers\ng := gap\n-->", "2 g = 1", ""),
        ("<!-- numbers: g := gap -->", "g = 1", "g = 1 is not so"),
        ("<!-- numbers: g := gab -->", "2 g = 1", "no block binds gab, for ((gab), )"),
        ("<!-- identity: numbers g -->", "2 g = g + g", ""),
        ("<!-- identity: numbers g -->", "2 g = g", "2g = g is not so"),
        (
            "<!-- definition: g -->",
            r"\begin{align} g &= 1 \end{align}",
            "an align needs a <!-- derivation: … --> right above it",
        ),
        (
            "<!-- derivation: parameters g -->",
            r"\begin{align} g &= g && \text{rearrange} \end{align}",
            r"step 1: \text{rearrange} does not lead from g to g",
        ),
    ],
)
def test_a_page(comment: str, tex: str, fault: str) -> None:
    place = 10 + comment.count("\n")
    expected = [f"page.md line {place + 1}: {fault}"] if fault else []
    assert _faults_of(PAGE.format(comment=comment, tex=tex)) == expected


def test_no_formula_hides_from_the_checks() -> None:
    page = "Text.\n\n\\[ 1 = 2 \\]\n\n\\begin{align} 1 &= 2 \\end{align}\n"
    assert _faults_of(page) == [
        "page.md line 3: \\[ must stand in $$ … $$",
        "page.md line 5: \\begin{ must stand in $$ … $$",
    ]


def test_the_pages_are_read_with_this_parser() -> None:
    assert parse_derivations in pages.parsers


def _faults_of(page: str) -> list[str]:
    faults = []
    for example in _document(page):
        try:
            example.evaluate()
        except SybilFailure as failure:
            faults.append(str(failure.result))
    return faults


def test_the_reader_never_sees_a_declaration() -> None:
    page = "Text <!-- of this kind -->\n\n<!-- identity: numbers w -->\n$$\nw = w\n$$\n"
    assert link_numbers(page) == "Text <!-- of this kind -->\n\n\n$$\nw = w\n$$\n"
    assert Page(page).displays == (Display(57, 4, "<!-- identity: numbers w -->", "\nw = w\n"),)
