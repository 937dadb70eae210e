r"""What a tree means for a small batch: in SymPy's symbols, or in the arrays of a page.

`Meaning(symbols, N)` writes sums and means out, puts definitions in and takes derivatives. A vector
is two numbers; ∇ is the column of derivatives by every parameter, a plain derivative where there
is one number only. With less knowledge a definition, derivative or mean stays an unknown function
of what is inside it: so a rule can be denied every law but its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, reduce
from itertools import product
from operator import add
from typing import Any

import numpy as np
import sympy  # type: ignore[import-untyped]  # it has no types
from sympy.matrices.exceptions import ShapeError  # type: ignore[import-untyped]  # as above

from proof.tree import BUILT_IN, INDEX, MINUS_ONE, Node, Symbol, Symbols, multiply, names
from proof.tree import add as sum_of

Bound = Mapping[str, Any]  # examples by letter, "" for a mean's own; values by argument's name
EVERYTHING = frozenset({"definitions", "derivatives", "means"})
ALGEBRA: frozenset[str] = frozenset()
SIZES = (2, 3)  # a formula in which 3 stands for N holds for one of them only
GENERIC = 0  # the example under a mean that is not written out


def equal(a: Node, b: Node, symbols: Symbols, knows: frozenset[str] = EVERYTHING) -> bool:
    """Return whether a = b is proved, for batches of two and of three and for every free index.

    Proved means: over one denominator, the difference expands to zero.

    Raises:
        ValueError: an index, a limit or a vector stands where it has no meaning.
    """
    meanings = [Meaning(symbols, N, knows) for N in SIZES]
    return all(_same(*values) for meaning in meanings for values in pairs(a, b, meaning))


def pairs(a: Node, b: Node, meaning: "Meaning") -> Iterator[tuple[Any, Any]]:
    """Yield the values of a and b for every example that a free index may mean."""
    letters = sorted(free(a) | free(b))
    for examples in product(range(1, meaning.N + 1), repeat=len(letters)):
        bound = dict(zip(letters, examples, strict=True))
        try:
            yield meaning.of(a, bound), meaning.of(b, bound)
        except (TypeError, ShapeError):
            raise ValueError("a vector stands where a number should, or the reverse") from None


def free(node: Node) -> set[str]:
    """Return the index letters that neither a sum nor a mean binds."""
    if node.kind == "index":
        return set() if node.name.isdecimal() else {node.name}
    letters = set().union(*(free(part) for part in node.parts))
    own = {"sum": node.name, "mean": INDEX, "var": INDEX, "cov": INDEX}
    return letters - {own.get(node.kind)}


def mean(node: Node) -> Node:
    """Return its mean over the examples."""
    return Node("mean", "", (node,))


@cache
def unknown(name: str, slopes: tuple[int, ...] = ()) -> Any:
    """Return a smooth function of which nothing is known, derived by the arguments numbered."""

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return unknown(name, tuple(sorted((*slopes, argindex))))(*self.args)

    return type(f"{name}{slopes or ''}", (sympy.Function,), {"fdiff": fdiff})


class Meaning:
    """The value of a tree for N examples, given what is known, or a page's arrays."""

    def __init__(
        self,
        symbols: Symbols,
        N: int,
        knows: frozenset[str] = EVERYTHING,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.names = {each.name: each for each in {**BUILT_IN, **symbols}.values()}
        self.N = N
        self.knows = knows
        self.given = given
        self.read_number = sympy.Rational if given is None else float

    def of(self, node: Node, bound: Bound) -> Any:
        """Return the value; `bound` says what the letters mean that stand free in the tree."""
        return getattr(self, f"_{node.kind}")(node, bound)

    def _number(self, node: Node, _: Bound) -> Any:
        return self.read_number(node.name)

    def _add(self, node: Node, bound: Bound) -> Any:
        return reduce(add, (self.of(part, bound) for part in node.parts))

    def _mul(self, node: Node, bound: Bound) -> Any:
        return reduce(_times, (self.of(part, bound) for part in node.parts))

    def _pow(self, node: Node, bound: Bound) -> Any:
        base, exponent = (self.of(part, bound) for part in node.parts)
        return base**exponent

    def _odot(self, node: Node, bound: Bound) -> Any:
        a, b = (self._array(part, bound) for part in node.parts)
        return a * b

    def _top(self, node: Node, bound: Bound) -> Any:
        return self._array(node.parts[0], bound).T

    def _array(self, node: Node, bound: Bound) -> Any:
        if self.given is None:
            raise ValueError(r"\odot and \top are for arrays, and so for numbers:")
        return np.asarray(self.of(node, bound))

    def _name(self, node: Node, bound: Bound) -> Any:
        if not node.parts and node.name in bound:
            return bound[node.name]  # an argument, whatever its letter means elsewhere
        symbol, example, key = self._read(node, bound)
        if f"held {key}" in bound:
            return bound[f"held {key}"]
        if symbol.kind == "defined":
            return self._defined(symbol, example, (), bound)
        if symbol.kind == "python":
            value = self._given(symbol)
            return _as_row(value if example is None else value[example - 1])
        if symbol.kind == "vector":
            return sympy.Matrix(_components(symbol))
        return self.read_number(self.N) if symbol.kind == "count" else sympy.Symbol(key)

    def _call(self, node: Node, bound: Bound) -> Any:
        symbol, example, key = self._read(node.parts[0], bound)
        arguments = [self.of(part, bound) for part in node.parts[1:]]
        primes = len(node.name)
        if symbol.kind == "function":
            return unknown(key, (1,) * primes)(*_flat(arguments))
        if not primes:
            return self._applied(symbol, example, arguments, bound)
        if self.given is not None:
            raise ValueError(f"{symbol.name}{node.name} needs a value of its own")
        dummy = sympy.Dummy()
        slope = sympy.diff(self._applied(symbol, example, [dummy], bound), dummy, primes)
        return slope.subs(dummy, arguments[0])

    def _applied(
        self, symbol: Symbol, example: int | None, arguments: list[Any], bound: Bound
    ) -> Any:
        if symbol.kind == "built in":
            library = sympy if self.given is None else np
            return getattr(library, symbol.name.removeprefix("\\"))(*arguments)
        if symbol.kind == "python":
            return self._given(symbol)(*arguments)
        return self._defined(symbol, example, arguments, bound)

    def _given(self, symbol: Symbol) -> Any:
        if self.given is None:
            raise ValueError(f"{symbol.name} := … belongs in numbers:")
        return self.given[symbol.name]

    def _defined(
        self, symbol: Symbol, example: int | None, arguments: Iterable[Any], bound: Bound
    ) -> Any:
        is_number = names(symbol.definition) <= {r"\exp", r"\log"}  # such as e: known to all
        if "definitions" not in self.knows and not is_number:
            key = _key(symbol.name, example)
            return unknown(key)(*_flat(arguments), *self._parameters())
        inside = {name: value for name, value in bound.items() if name.startswith("held ")}
        inside |= dict(zip(symbol.arguments, arguments, strict=True))
        if symbol.each:
            inside |= {INDEX: example, "": example}
        return self.of(symbol.definition, inside)

    def _sum(self, node: Node, bound: Bound) -> Any:
        *limits, body = node.parts
        first, last = (self.of(limit, bound) for limit in limits)
        if not all(isinstance(limit, float | sympy.Integer) for limit in (first, last)):
            raise ValueError("the limits of a sum must be whole numbers or N")
        examples = range(int(first), int(last) + 1)
        return reduce(add, (self.of(body, {**bound, node.name: i}) for i in examples))

    def _mean(self, node: Node, bound: Bound) -> Any:
        if "means" in self.knows:
            values = (self._at(i, node.parts[0], bound) for i in range(1, self.N + 1))
            return reduce(add, values) / self.read_number(self.N)
        inside = sympy.expand(self._at(GENERIC, node.parts[0], bound))
        if "linearity" not in self.knows:
            return unknown("E")(inside)
        return reduce(add, map(_mean_of_term, sympy.Add.make_args(inside)))

    def _cov(self, node: Node, bound: Bound) -> Any:
        if "means" not in self.knows:
            inside = [sympy.expand(self._at(GENERIC, part, bound)) for part in node.parts]
            return unknown("Cov")(*sorted(inside, key=sympy.default_sort_key))
        u, v = node.parts
        if self.given is not None:
            u = Node("top", "", (u,))  # of rows: a matrix, a row of it for each entry of u
        apart = multiply(MINUS_ONE, mean(u), mean(v))
        return self.of(sum_of(mean(multiply(u, v)), apart), bound)

    def _var(self, node: Node, bound: Bound) -> Any:
        if "means" not in self.knows:
            return unknown("Var")(sympy.expand(self._at(GENERIC, node.parts[0], bound)))
        return self._cov(Node("cov", "", node.parts * 2), bound)

    def _derivative(self, node: Node, bound: Bound) -> Any:
        variable, inside = node.parts
        symbol, _, key = self._read(variable, bound)
        self._check_symbolic()
        if "derivatives" not in self.knows:
            return unknown(f"∂{key}")(sympy.expand(self.of(inside, bound)))
        if symbol.kind in ("parameter", "data"):
            return sympy.diff(self.of(inside, bound), sympy.Symbol(key))
        if symbol.kind != "defined":
            raise ValueError(f"{variable.name} is no parameter to differentiate by")
        held = sympy.Symbol(f"∂{key}")
        slope = sympy.diff(self.of(inside, {**bound, f"held {key}": held}), held)
        return slope.subs(held, self.of(variable, bound))

    def _gradient(self, node: Node, bound: Bound) -> Any:
        self._check_symbolic()
        inside = self.of(node.parts[0], bound)
        if _is_vector(inside):
            raise TypeError
        if "derivatives" not in self.knows:
            return unknown("∇")(sympy.expand(inside))
        slopes = [sympy.diff(inside, parameter) for parameter in self._parameters()]
        if not slopes:
            raise ValueError("∇ needs parameters or a vector")
        return slopes[0] if len(slopes) == 1 else sympy.Matrix(slopes)

    def _check_symbolic(self) -> None:
        if self.given is not None:
            raise ValueError("a derivative needs a value as a whole in numbers:")

    def _at(self, example: int, node: Node, bound: Bound) -> Any:
        return self.of(node, {**bound, "": example, INDEX: example})

    def _read(self, node: Node, bound: Bound) -> tuple[Symbol, int | None, str]:
        """Return a name's symbol, its example if each has its own, and both as one key."""
        symbol, example = self.names[node.name], None
        if symbol.each:
            letter = node.parts[0].name if node.parts else ""
            example = int(letter) if letter.isdecimal() else bound.get(letter)
            if example is None:
                raise ValueError(f"{node.name} needs its index outside a mean")
            if not GENERIC <= example <= self.N or letter == str(GENERIC):
                raise ValueError(f"{node.name} has no example {example}")
        return symbol, example, _key(symbol.name, example)

    def _parameters(self) -> list[Any]:
        kinds = ("parameter", "vector")
        return _flat(_components(each) for each in self.names.values() if each.kind in kinds)


def _same(a: Any, b: Any) -> bool:
    if _is_vector(a) != _is_vector(b):
        return False
    differences = a - b if _is_vector(a) else [a - b]
    return all(sympy.expand(sympy.fraction(sympy.together(each))[0]) == 0 for each in differences)


def _key(name: str, example: int | None) -> str:
    return name if example is None else f"{name}[{example}]"


def _components(symbol: Symbol) -> Any:
    names = [f"{symbol.name}({k})" for k in (1, 2)] if symbol.kind == "vector" else [symbol.name]
    return sympy.Matrix([sympy.Symbol(name) for name in names])


def _flat(arguments: Iterable[Any]) -> list[Any]:
    return [part for each in arguments for part in (each if _is_vector(each) else [each])]


def _is_vector(value: Any) -> bool:
    return isinstance(value, sympy.MatrixBase)


def _as_row(value: Any) -> Any:
    return value[np.newaxis] if np.ndim(value) == 1 else value


def _times(a: Any, b: Any) -> Any:
    return a @ b if np.ndim(a) == np.ndim(b) == 2 else a * b


def _mean_of_term(term: Any) -> Any:
    """Take what is the same for every example out of the mean of a product."""
    factors = sympy.Mul.make_args(term)
    own = [factor for factor in factors if f"[{GENERIC}]" in str(factor)]
    common = [factor for factor in factors if factor not in own]
    return sympy.Mul(*common) * (unknown("E")(sympy.Mul(*own)) if own else 1)
