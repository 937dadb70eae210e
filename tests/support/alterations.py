"""Alter a formula, or what is declared for it, part by part: what no check may overlook.

Each part is deleted, exchanged for each other of its sort that the formula or its declaration
holds and for one foreign to it, and swapped with its neighbor.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from proof.rules import RULES

_TOKEN = re.compile(r"\\text\{[^{}]*\}|\\[a-zA-Z]+|\\[^a-zA-Z\s]|[A-Za-z]{2,}|\d|:=|[^\s]")
_NOTHING = re.compile(r"\\[,;:! ]|\\quad|\\(?:true|averaged|gap)")  # spaces and colors
_SIGNS = ("+", "-", "=", r"\neq", r"\cdot")
_BRACKETS = ("(", ")", "[", "]", "{", "}")
_WORDS = ("numbers", "parameters", "data", "vector", "functions")
_FOREIGN = {"letter": ("q",), "command": (r"\int",), "digit": ("7",)}


def alterations(text: str, beside: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is altered and the text with it, also by what stands `beside` the text."""
    found = [part for part in _TOKEN.finditer(text) if not _NOTHING.fullmatch(part[0])]
    known = [part[0] for part in _TOKEN.finditer(text + " " + beside)]
    for part in found:
        for after in ("", *_others(part[0], known)):
            yield _altered(text, part.span(), after)
    for one, two in pairwise(found):
        between = text[one.end() : two.start()]
        if one[0] != two[0]:
            yield _altered(text, (one.start(), two.end()), f"{two[0]} {between}{one[0]}")


def _altered(text: str, span: tuple[int, int], after: str) -> tuple[str, str]:
    start, end = span
    around = text[max(0, start - 12) : start], text[end : end + 12]
    what = f"…{around[0]}⟨{text[start:end]} → {after}⟩{around[1]}…"
    glued = re.search(r"\\[a-zA-Z]+$", text[:start]) and after[:1].isalpha()
    return what, text[:start] + " " * bool(glued) + after + " " + text[end:]


def _others(part: str, known: list[str]) -> Iterator[str]:
    """Yield what may stand in the part's place by mistake."""
    if part.startswith(r"\text"):
        yield from _other_rules(part)
        return
    sort = _sort(part)
    alike = {other for other in known if _sort(other) == sort} | set(_FOREIGN.get(sort, ()))
    families = {"sign": _SIGNS, "bracket": _BRACKETS, "script": ("_", "^"), "word": _WORDS}
    if sort == "word" and part not in _WORDS:
        alike = set()
    yield from sorted(alike.union(families.get(sort, ())) - {part})


def _other_rules(part: str) -> Iterator[str]:
    name = part[len(r"\text{") : -1]
    words = name.split()
    names = {*RULES, "definition of", "", *(name.replace(word, "") for word in words)}
    yield from (
        rf"\text{{{other}}}" for other in sorted({n.strip() for n in names} - {name.strip()})
    )


def _sort(part: str) -> str:
    if part in _SIGNS:
        return "sign"
    if part in _BRACKETS:
        return "bracket"
    if part in ("_", "^"):
        return "script"
    if part.isdecimal():
        return "digit"
    if part[0] == "\\":
        return "command" if part[1:].isalpha() and part != r"\text" else "mark"
    return ("letter" if len(part) == 1 else "word") if part.isalpha() else "mark"
