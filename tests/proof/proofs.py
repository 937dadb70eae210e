"""What is wrong with a formula: with a step of a derivation, an identity, a claim about arrays."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from proof.declared import declared
from proof.latex import read, shown, split, tokens
from proof.meaning import Meaning, equal, pairs
from proof.rules import applied, defined
from proof.tree import MINUS_ONE, ZERO, Node, Symbol, Symbols, Tokens, multiply, names

RELATIONS = ("=", r"\neq", r"\approx", "<", ">", r"\leq", r"\geq")
EXACT, ROUGH = 1e-9, 0.1  # errors allowed, as parts of the larger side
_ALIGNED = re.compile(r"\s*\\begin\{aligned\}(.*)\\end\{aligned\}\s*", re.DOTALL)
_ALIGN = re.compile(r"\s*\\begin\{align\}(.*)\\end\{align\}\s*", re.DOTALL)

Step = tuple[Tokens, Tokens, Tokens]  # the line before, the line, its rule


def derivation_faults(text: str, tex: str) -> Iterator[str]:
    """Yield what is wrong with a derivation, step by step."""
    try:
        symbols, found = _declared(text), steps(tex)
    except ValueError as error:
        yield str(error)
        return
    for number, step in enumerate(found, 1):
        for fault in (rule_fault(text, *step), value_fault(text, *step)):
            if fault:
                yield f"step {number}: {fault}"
    yield from filter(None, [_zero_fault(text, found[0][0], found[-1][1])])
    lines = [line for step in found for line in step[:2]]
    yield from _unused(text, symbols, lines)


def steps(tex: str) -> list[Step]:
    r"""Return the steps of an `align`, each a line with the one before and its rule.

    Raises:
        ValueError: a line is not `lhs &= rhs && \text{rule}`, its left side on the first line only.
    """
    match = _ALIGN.fullmatch(tex)
    if not match:
        raise ValueError(r"a derivation is one \begin{align} … \end{align}")
    found: list[Step] = []
    for row in split(tokens(match[1]), r"\\"):
        cells = split(row, "&")
        if len(cells) != 4 or cells[1][:1] != ("=",) or cells[2] or bool(cells[0]) == bool(found):
            line = "&= rhs" if found else "lhs &= rhs"
            raise ValueError(rf"{shown(row)} must be {line} && \text{{rule}}")
        found.append((found[-1][1] if found else cells[0], cells[1][1:], cells[3]))
    return found


@cache
def rule_fault(text: str, before: Tokens, after: Tokens, rule: Tokens) -> str:
    """Return a sentence if the named rule, and it alone, does not make one line of the other."""
    try:
        symbols, a, b = _declared(text), _tree(text, before), _tree(text, after)
        if _is_applied(rule, a, b, symbols):
            return ""
    except ValueError as error:
        return f"{error}, in {shown(after)}"
    return f"{shown(rule)} does not lead from {shown(before)} to {shown(after)}"


@cache
def value_fault(text: str, before: Tokens, after: Tokens, _: Tokens = ()) -> str:
    """Return a sentence if the lines are not proved equal."""
    try:
        if equal(_tree(text, before), _tree(text, after), _declared(text)):
            return ""
    except ValueError as error:
        return f"{error}, in {shown(after)}"
    return f"{shown(before)} is not {shown(after)}"


def identity_faults(text: str, tex: str) -> Iterator[str]:
    """Yield what is wrong with formulas that hold whatever their names stand for."""
    try:
        symbols, claims = _declared(text), _claims(tex)
        for left, relation, right in claims:
            a, b = _tree(text, left), _tree(text, right)
            if relation not in ("=", r"\neq"):
                yield rf"an identity claims = or \neq, not {relation}"
            elif equal(a, b, symbols) != (relation == "="):
                yield f"{shown(left)} {relation} {shown(right)} is not so"
            elif fault := _zero_fault(text, left, right):
                yield fault
        yield from _unused(text, symbols, [side for claim in claims for side in claim[::2]])
    except ValueError as error:
        yield str(error)


def number_faults(text: str, tex: str, namespace: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with formulas about the arrays of a page."""
    try:
        symbols, claims = _declared(text), _claims(tex)
        given = _given(text, namespace)
        meaning = Meaning(symbols, _rows(symbols, given), given=given)
        for left, relation, right in claims:
            sides = pairs(_tree(text, left), _tree(text, right), meaning)
            if not all(_holds(relation, a, b) for a, b in sides):
                yield f"{shown(left)} {relation} {shown(right)} is not so"
        yield from _unused(text, symbols, [side for claim in claims for side in claim[::2]])
    except ValueError as error:
        yield str(error)


def _given(text: str, namespace: dict[str, Any]) -> dict[str, Any]:
    for symbol in _declared(text).values():
        if symbol.kind not in ("count", "defined", "python"):
            raise ValueError(f"{symbol.name} has no value: write {symbol.name} := …")
    return {name: eval(each, namespace) for name, each in values(text).items()}  # noqa: S307 - ours


def values(text: str) -> dict[str, str]:
    """Return the Python expressions that a declaration gives to its names."""
    return {
        symbol.name: f"lambda {', '.join(symbol.arguments)}: {symbol.python}"
        if symbol.arguments
        else symbol.python
        for symbol in _declared(text).values()
        if symbol.kind == "python"
    }


def definition_faults(text: str, tex: str) -> Iterator[str]:
    """Yield a sentence if the formulas do not define exactly what they are said to."""
    try:
        found = [left for left, relation, _ in _claims(tex) if relation == "="]
    except ValueError as error:
        yield str(error)
        return
    if found != split(tokens(text), ","):
        lefts = ", ".join(map(shown, found)) or "nothing"
        yield f"{text} is said to be defined here, but {lefts} stands on the left"


@cache
def _zero_fault(text: str, left: Tokens, right: Tokens) -> str:
    """Return a sentence if the sides are equal because both vanish, and neither says so."""
    try:
        a, b, symbols = _tree(text, left), _tree(text, right), _declared(text)
        if ZERO in (a, b) or not equal(a, multiply(MINUS_ONE, a), symbols):
            return ""
    except ValueError:
        return ""  # said already
    return f"{shown(left)} is zero, which shows nothing of {shown(right)}"


@cache
def _declared(text: str) -> dict[Tokens, Symbol]:
    return declared(text)


@cache
def _tree(text: str, line: Tokens) -> Node:
    return read(line, _declared(text))


def _is_applied(rule: Tokens, before: Node, after: Node, symbols: Symbols) -> bool:
    name, *rest = rule or ("",)
    match = re.fullmatch(r"\\text\{(.*?) ?\}", name)
    if not match:
        raise ValueError(rf"{shown(rule)} is no rule: write \text{{…}}")
    if not rest:
        return applied(match[1], before, after, symbols)
    symbol = symbols.get(tuple(rest))
    if match[1] != "definition of" or symbol is None or symbol.kind != "defined":
        raise ValueError(f"{shown(rule)} is no rule: nothing is defined so")
    return defined(symbol, before, after, symbols)


def _claims(tex: str) -> list[tuple[Tokens, str, Tokens]]:
    r"""Return each left side, relation and right side; \qquad divides formulas, or `aligned`."""
    found = []
    aligned = _ALIGNED.fullmatch(tex)
    for formula in _rows_joined(aligned[1]) if aligned else split(tokens(tex), r"\qquad"):
        sides = split(formula, *RELATIONS)
        if len(sides) == 1:
            raise ValueError(f"{shown(formula)} claims nothing")
        ends = [end - 1 for end in accumulate(len(side) + 1 for side in sides)]
        found += [(a, formula[end], b) for (a, b), end in zip(pairwise(sides), ends, strict=False)]
    return found


def _rows_joined(tex: str) -> list[Tokens]:
    """Return the formulas of an `aligned`: a line without left side goes on with the one above."""
    found: list[Tokens] = []
    for row in split(tokens(tex), r"\\"):
        left, *rest = split(row, "&")
        signs = RELATIONS if left else ("+", "-", *RELATIONS)
        if len(rest) != 1 or not (left or found) or rest[0][:1] not in [(sign,) for sign in signs]:
            raise ValueError(f"{shown(row)} must be lhs &= rhs, or go on with &+, &- or &=")
        if left:
            found.append(left + rest[0])
        else:
            found[-1] += rest[0]
    return found


def _holds(relation: str, left: Any, right: Any) -> bool:
    a, b = np.squeeze(np.asarray(left, float)), np.squeeze(np.asarray(right, float))
    if a.shape != b.shape:
        raise ValueError(f"an array of shape {a.shape} stands beside one of shape {b.shape}")
    error, size = np.linalg.norm(a - b), max(np.linalg.norm(a), np.linalg.norm(b))
    orders = {"<": a < b, ">": a > b, r"\leq": a <= b, r"\geq": a >= b}
    if relation in orders:
        return bool(np.all(orders[relation]))
    if not size:
        raise ValueError("both sides are zero, which shows nothing")
    close = error <= (ROUGH if relation == r"\approx" else EXACT) * size
    return bool(close != (relation == r"\neq"))


def _rows(symbols: Symbols, given: dict[str, Any]) -> int:
    lengths = {len(given[s.name]) for s in symbols.values() if s.kind == "python" and s.each}
    if len(lengths) > 1:
        raise ValueError(f"the arrays hold {sorted(lengths)} examples")
    return max(lengths, default=1)


def _unused(text: str, symbols: Symbols, lines: list[Tokens]) -> Iterator[str]:
    """Yield a fault for each declared name that no line uses, nor a definition."""
    try:
        used = set().union(*(names(_tree(text, line)) for line in lines))
    except ValueError:
        return  # said already
    for symbol in reversed([*symbols.values()]):
        if symbol.name not in used:
            yield f"{symbol.name} is declared but not used"
        used |= names(symbol.definition)
