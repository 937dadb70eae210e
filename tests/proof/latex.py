r"""The declared subset of LaTeX: tokens in, a tree out; what is not understood whole is an error.

A parser of our own, because SymPy's drops what it can't read, takes `x_i (…)` for a call, `w^1` for
a power and `\mathrm{E}` for a product. Here every token is consumed or named in an error; a letter
means what a declaration says, and nothing else.

    \frac{a}{b}  \sqrt{a}  a \cdot b  a b  a^2  x_i  f(x_i)  f'(z)  \exp(z)  \log(z)
    \sum_{i=1}^{N} …       everything up to the next + or −
    \frac{\partial J}{\partial m}  \frac{\partial}{\partial m} (…)  \nabla (…)
                           a derivative takes one bracket or one name, and no power after it
    \mathrm{E}[…]  \mathrm{Var}(…)  \mathrm{Cov}(…, …)
    A^\top  (A) \odot (B)  arrays, in `numbers:` only

Spaces, \left with \right, and the colors \true{…}, \averaged{…}, \gap{…} mean nothing.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from proof.tree import BUILT_IN, INDEX, MINUS_ONE, ONE, Node, Symbols, Tokens, add, multiply, power

_TOKEN = re.compile(
    r"\s+|\\(?:left|right)[()\[\]]|\\mathrm\{(?:E|Var|Cov)\}|\\text\{[^{}]*\}|\\[a-zA-Z]+|\\[^a-zA-Z]"
    r"|\d+(?:\.\d+)?|[a-zA-Z]|[-+=<>^_(){}\[\],&']"
)
_SPACES = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad"}
_COLORS = {r"\true", r"\averaged", r"\gap"}
_CLOSING = {"(": ")", "{": "}", "[": "]", r"\left(": r"\right)", r"\left[": r"\right]"}
_FRACTIONS = {r"\frac", r"\tfrac", r"\dfrac"}
_ENDS = {*_CLOSING.values(), "+", "-", ",", ""}
_MOMENTS = {r"\mathrm{E}": "mean", r"\mathrm{Var}": "var", r"\mathrm{Cov}": "cov"}
_ROUND = ("(", r"\left(")
_SQUARE = ("[", r"\left[")


def tokens(latex: str) -> Tokens:
    r"""Return the tokens, without what means nothing; every bracket has its partner.

    >>> tokens(r"\gap{-\,2 x_i}")
    ('-', '2', 'x', '_', 'i')
    """
    found, position = [], 0
    while position < len(latex):
        match = _TOKEN.match(latex, position)
        if not match:
            raise ValueError(f"{latex[position]} is no part of the declared LaTeX")
        found.append(match[0])
        position = match.end()
    return tuple(_without_colors([each for each in found if each.strip() and each not in _SPACES]))


def shown(parts: Tokens) -> str:
    """Return the tokens as LaTeX, a space only between a command and a letter."""
    latex = ""
    for each in parts:
        apart = each[0].isalpha() and re.search(r"\\[a-zA-Z]+$", latex)
        latex += f" {each}" if apart else each
    return latex or "nothing"


def split(parts: Tokens, *at: str) -> list[Tokens]:
    """Split the tokens at each token `at` that stands in no bracket."""
    pieces: list[Tokens] = [()]
    depth = 0
    for each in parts:
        depth += (each in _CLOSING) - (each in _CLOSING.values())
        if each in at and depth == 0:
            pieces.append(())
        else:
            pieces[-1] += (each,)
    return pieces


def read(parts: Tokens, symbols: Symbols) -> Node:
    """Return the tree of an expression.

    Raises:
        ValueError: a name is not declared, or the tokens are no expression of the subset.
    """
    return Parser(parts, symbols).whole()


def _without_colors(found: list[str]) -> Iterator[str]:
    """Yield all but the colors and their braces, which may close only what they opened."""
    awaited: list[tuple[str, bool]] = []  # each closing bracket, and whether it is a color's
    for before, each in pairwise(["", *found]):
        colored = before in _COLORS
        if colored and each != "{":
            raise ValueError(f"{before} must be followed by {{…}}")
        if each in _CLOSING:
            awaited.append((_CLOSING[each], colored))
        elif each in _CLOSING.values():
            closing, colored = awaited.pop() if awaited else ("", False)
            if each != closing or before in ("^", "_"):
                raise ValueError(f"{each} closes no bracket of its kind")
        elif each in ("&", r"\\") and awaited:
            raise ValueError(f"{each} stands where {awaited[-1][0]} should")
        if each not in _COLORS and not colored:
            yield each
    if awaited:
        raise ValueError(f"{awaited[-1][0]} is missing")


class Parser:
    """Reads an expression by recursive descent; `position` is the token to read next."""

    def __init__(self, parts: Tokens, symbols: Symbols) -> None:
        self.tokens = parts
        self.symbols = {**BUILT_IN, **symbols}
        self.summed: set[str] = set()
        self.position = 0

    def whole(self) -> Node:
        """Read all tokens as one expression."""
        node = self.expression()
        if self.next:
            raise ValueError(f"{self.next} stands where nothing may follow")
        return node

    @property
    def next(self) -> str:
        """The token to read next, empty at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        """Read one token, which must be one of those wanted."""
        if self.next not in wanted or not self.next:
            raise ValueError(f"{self.next or 'the end'} stands where {wanted[0]} should")
        self.position += 1
        return self.tokens[self.position - 1]

    def expression(self) -> Node:
        """Terms with + and − between them, perhaps a − before the first."""
        terms = [self.signed_term() if self.next == "-" else self.term()]
        while self.next in ("+", "-"):
            if self.next == "+":
                self.take("+")
                terms.append(self.term())
            else:
                terms.append(self.signed_term())
        return add(*terms)

    def signed_term(self) -> Node:
        """A term after its −."""
        self.take("-")
        term = self.term()
        return MINUS_ONE if term == ONE else multiply(MINUS_ONE, term)

    def term(self) -> Node:
        r"""Factors side by side; or two single ones with \odot between: ("odot", parts)."""
        factors = [self.factor()]
        while self.next not in _ENDS:
            if self.next == r"\odot" and len(factors) == 1:
                return self.elementwise(factors[0])
            dot = self.next == r"\cdot" and self.take(r"\cdot")
            if not dot and self.next[0].isdecimal() and factors[-1].kind == "number":
                raise ValueError(f"{self.next} would be read as a digit of the number before it")
            factors.append(self.factor())
        return multiply(*factors)

    def elementwise(self, first: Node) -> Node:
        r"""What follows the first factor of a product \odot."""
        self.take(r"\odot")
        second = self.factor()
        if self.next not in _ENDS:
            raise ValueError(r"\odot needs one factor on each side, in brackets")
        return Node("odot", "", (first, second))

    def factor(self) -> Node:
        """What stands before its exponent, with it: ("pow", parts) or ("top", parts)."""
        if self.next == r"\sum" and not self.head():
            return self.sum()
        base = self.primary()
        if self.next != "^" or base.kind in ("derivative", "gradient"):
            return base
        self.take("^")
        if self.next == r"\top":
            self.take(r"\top")
            return Node("top", "", (base,))
        return power(base, self.script())

    def script(self) -> Node:
        """What an exponent or a limit holds: braces, or a single digit or letter."""
        if self.next == "{":
            return self.group("{")
        if self.next[:1].isdecimal() and len(self.next) > 1:
            raise ValueError(f"{self.next} needs braces: TeX would raise its first digit only")
        return Parser((self.take(self.next),), self.symbols).whole()

    def sum(self) -> Node:
        """("sum", letter, (lower limit, upper limit, body)); the body is the rest of the term."""
        self.take(r"\sum")
        self.take("_")
        self.take("{")
        letter = self.take("i", *filter(str.isalpha, self.tokens))
        self.take("=")
        lower = self.expression()
        self.take("}")
        self.take("^")
        upper = self.script()
        if letter in self.summed:
            raise ValueError(f"{letter} is summed over twice")
        self.summed.add(letter)
        body = self.term()
        self.summed.remove(letter)
        return Node("sum", letter, (lower, upper, body))

    def primary(self) -> Node:
        """A number, a name, or what its first token says."""
        first, head = self.next, self.head()
        if head:
            return self.declared(head)
        if first[:1].isdecimal():
            return Node("number", self.take(first))
        known = {
            **dict.fromkeys((*_ROUND, "{"), self.group),
            **dict.fromkeys(_FRACTIONS, self.fraction),
            **dict.fromkeys(_MOMENTS, self.moment),
            r"\sqrt": self.root,
            r"\nabla": self.gradient,
        }
        if first not in known:
            names = first.isalpha() or first.startswith("\\")
            fault = "is not declared" if names else "stands where a number or name should"
            raise ValueError(f"{first or 'the end'} {fault}")
        return known[first]()

    def group(self, *opening: str) -> Node:
        """An expression in brackets: round ones and braces, unless told."""
        closing = _CLOSING[self.take(*opening or ("(", r"\left(", "{"))]
        inside = self.expression()
        self.take(closing)
        return inside

    def root(self) -> Node:
        """A power of one half."""
        self.take(r"\sqrt")
        return power(self.group("{"), Node("number", "0.5"))

    def gradient(self) -> Node:
        """("gradient", (what is differentiated,))."""
        self.take(r"\nabla")
        return Node("gradient", "", (self.operand(),))

    def fraction(self) -> Node:
        r"""A quotient, or a derivative: ("derivative", (variable, what is differentiated))."""
        self.take(*_FRACTIONS)
        if self.tokens[self.position + 1 : self.position + 2] != (r"\partial",):
            above, below = self.group("{"), self.group("{")
            return multiply(above, power(below, MINUS_ONE))
        self.take("{")
        self.take(r"\partial")
        inside = None if self.next == "}" else self.primary()
        self.take("}")
        self.take("{")
        self.take(r"\partial")
        variable = self.declared(self.head())
        self.take("}")
        return Node("derivative", "", (variable, inside or self.operand()))

    def operand(self) -> Node:
        """What a derivative before it takes: a bracket, or a name at the end of its term."""
        bracket = self.next in _ROUND
        inside = None if self.next == r"\sum" else self.primary()
        if inside is None or self.next == "^" or not (bracket or self.next in _ENDS):
            raise ValueError("what is differentiated needs brackets around the whole of it")
        return inside

    def moment(self) -> Node:
        """("mean", (inside,)), ("var", (inside,)) or ("cov", (first, second))."""
        kind = _MOMENTS[self.take(*_MOMENTS)]
        opening = self.take(*(_SQUARE if kind == "mean" else _ROUND))
        parts = [self.expression()]
        if kind == "cov":
            self.take(",")
            parts.append(self.expression())
        self.take(_CLOSING[opening])
        return Node(kind, "", tuple(parts))

    def head(self) -> Tokens:
        """The longest declared name that stands next; empty if none does."""
        rest = self.tokens[self.position :]
        heads = (head for head in self.symbols if rest[: len(head)] == head)
        return max(heads, key=len, default=())

    def declared(self, head: Tokens) -> Node:
        """("name", its LaTeX, its index); with arguments ("call", primes, (name, *arguments))."""
        if not head:
            raise ValueError(f"{self.next or 'the end'} is not declared")
        self.position += len(head)
        symbol = self.symbols[head]
        name = Node("name", symbol.name, self.index() if symbol.each else ())
        if not symbol.arguments:
            return name
        primes = ""
        while self.next == "'":
            primes += self.take("'")
        closing = _CLOSING[self.take(*_ROUND)]
        arguments = [self.expression()]
        while self.next == ",":
            self.take(",")
            arguments.append(self.expression())
        self.take(closing)
        if len(arguments) != len(symbol.arguments):
            raise ValueError(f"{symbol.name} takes {len(symbol.arguments)} arguments")
        return Node("call", primes, (name, *arguments))

    def index(self) -> tuple[Node, ...]:
        """("index", letter or number) of one example; none where a mean runs over all."""
        if self.next != "_":
            return ()
        self.take("_")
        braces = self.next == "{" and self.take("{")
        letter = self.take(INDEX, *self.summed, *filter(str.isdecimal, self.tokens))
        if braces:
            self.take("}")
        if not braces and len(letter) > 1:
            raise ValueError(f"{letter} needs braces: TeX would lower its first digit only")
        return (Node("index", letter),)
