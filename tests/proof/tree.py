"""The tree of a formula, and what a declaration says of the names in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Tokens = tuple[str, ...]


@dataclass(frozen=True, order=True)
class Node:
    """A part of a formula. What `name` and `parts` hold is said where `Parser` makes it."""

    kind: str
    name: str = ""
    parts: tuple["Node", ...] = ()


ZERO = Node("number", "0")
ONE = Node("number", "1")
INDEX = "i"  # the letter that counts the examples
MINUS_ONE = Node("number", "-1")


def add(*terms: Node) -> Node:
    """Return the sum; a sum within a sum is one sum."""
    flat = [part for term in terms for part in (term.parts if term.kind == "add" else (term,))]
    return flat[0] if len(flat) == 1 else Node("add", "", tuple(flat))


def multiply(*factors: Node) -> Node:
    """Return the product; a product within a product is one product, a factor 1 is none."""
    flat = [part for each in factors for part in (each.parts if each.kind == "mul" else (each,))]
    flat = [part for part in flat if part != ONE] or [ONE]
    return flat[0] if len(flat) == 1 else Node("mul", "", tuple(flat))


def power(base: Node, exponent: Node) -> Node:
    """Return base to the exponent."""
    return base if exponent == ONE else Node("pow", "", (base, exponent))


_JOINED: dict[str, Callable[..., Node]] = {"add": add, "mul": multiply, "pow": power}


def rebuilt(node: Node, parts: Iterable[Node]) -> Node:
    """Return the node with other parts."""
    if node.kind in _JOINED:
        return _JOINED[node.kind](*parts)
    return Node(node.kind, node.name, tuple(parts))


def names(node: Node) -> set[str]:
    """Return the names that stand in the tree."""
    own = {node.name} if node.kind == "name" else set()
    return own.union(*(names(part) for part in node.parts))


@dataclass(frozen=True)
class Symbol:
    """What a declaration says of a name.

    `each` if every example has its own, x_i; `arguments` are those of a function; `definition` is
    what a defined name stands for, `python` an expression of the page.
    """

    kind: str
    name: str
    each: bool = False
    arguments: tuple[str, ...] = ()
    definition: Node = ZERO
    python: str = ""


Symbols = Mapping[Tokens, Symbol]
BUILT_IN: Symbols = {
    (name,): Symbol("built in", name, arguments=("z",)) for name in (r"\exp", r"\log")
}
