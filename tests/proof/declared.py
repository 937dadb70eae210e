r"""Read the declaration above a formula: what each of its names means.

Entries stand on lines of their own, or between semicolons:

    N examples                     how many; sums and means run over them
    data x_i, y_i                  a number of each example, i its index
    numbers a, m_{\text{fit}}      numbers that stay as they are
    parameters m, b                numbers that ∇ differentiates by
    vector \theta                  parameters, as many as you like
    functions g(\cdot), \ell_i(\cdot)
                                   smooth, otherwise unknown
    f(x) = m x + b                 a definition, of names declared above it
    r_i = y_i - f(x_i)             a definition for each example
    \bar x := x.mean()             in `numbers:`, an expression of the page; of x_i, an array whose
                                   rows are the examples
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from proof.latex import read, shown, split, tokens
from proof.tree import INDEX, Symbol, Symbols, Tokens, names

KINDS = {
    "data": "data",
    "numbers": "number",
    "parameters": "parameter",
    "vector": "vector",
    "functions": "function",
}
_FORMS = {"data": "x_i", "function": r"g(\cdot) or \ell_i(\cdot)", "defined": "r, r_i or f(x)"}


def declared(text: str) -> dict[Tokens, Symbol]:
    """Return what each name means, by its tokens.

    Raises:
        ValueError: an entry is none of the kinds above, or a name is declared twice.
    """
    symbols: dict[Tokens, Symbol] = {}
    for entry in filter(None, (each.strip() for each in re.split(r"(?<!\\);|\n", text))):
        for head, symbol in _entry(entry, symbols):
            if head in symbols:
                raise ValueError(f"{symbol.name} is declared twice")
            symbols[head] = symbol
    return symbols


def _entry(entry: str, symbols: Symbols) -> Iterator[tuple[Tokens, Symbol]]:
    word, _, rest = entry.partition(" ")
    if re.fullmatch(r"[A-Za-z] examples", entry):
        yield (word,), Symbol("count", word)
    elif word in KINDS:
        for name in split(tokens(rest), ","):
            yield _named(name, KINDS[word])
    elif ":=" in entry:
        left, _, python = entry.partition(":=")
        yield _named(tokens(left), "python", python.strip())
    elif "=" in entry:
        left, _, right = entry.partition("=")
        yield _defined(tokens(left), tokens(right), symbols)
    else:
        raise ValueError(f"{entry!r} declares nothing: say {', '.join(KINDS)} or a = b")


def _defined(left: Tokens, right: Tokens, symbols: Symbols) -> tuple[Tokens, Symbol]:
    head, symbol = _named(left, "defined")
    arguments = [_named((name,), "number") for name in symbol.arguments]
    body = read(right, {**symbols, **dict(arguments)})
    idle = set(symbol.arguments) - names(body)
    if idle:
        raise ValueError(f"{shown(left)} does not use {', '.join(sorted(idle))}")
    return head, replace(symbol, definition=body)


def _named(name: Tokens, kind: str, python: str = "") -> tuple[Tokens, Symbol]:
    takes_arguments = kind in ("function", "defined", "python")
    head, arguments = _with_arguments(name) if takes_arguments else (name, ())
    each = head[-2:] == ("_", INDEX)
    if each:
        head = head[:-2]
    unknown = set(arguments) == {r"\cdot"}
    fits = {"data": each, "function": unknown, "defined": not unknown, "python": True}
    if not _is_name(head[:1]) or not fits.get(kind, not each):
        raise ValueError(f"{shown(name)} should look like {_FORMS.get(kind, 'm')}")
    return head, Symbol(kind, shown(head), each, arguments, python=python)


def _with_arguments(name: Tokens) -> tuple[Tokens, tuple[str, ...]]:
    """Divide f(x, y) at its bracket; a bracket that holds more than names is part of the name."""
    if name[-1:] != (")",) or "(" not in name:
        return name, ()
    start = name.index("(")
    arguments = split(name[start + 1 : -1], ",")
    if not all(len(each) == 1 and _is_name(each) for each in arguments):
        return name, ()
    return name[:start], tuple(each[0] for each in arguments)


def _is_name(part: Tokens) -> bool:
    return part[0].isalpha() or part[0].startswith("\\") if part else False
