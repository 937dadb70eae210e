r"""The rules that a derivation may name, each with what it does to a line, and to nothing else.

A rule takes a part of a line and its successor. Most say what the part becomes, letter by letter up
to the order of factors and terms: `made` finds the parts that changed and asks the rule for each.
So a line that does more than its rule says fails, even where it is equal to the one before.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, permutations

from proof.meaning import ALGEBRA, equal, mean
from proof.tree import INDEX, MINUS_ONE, ONE, Node, Symbol, Symbols, add, multiply, power, rebuilt

Rule = Callable[[Node, Node, Symbols], bool]
LINEARITY = frozenset({"linearity"})
DERIVATIVES = frozenset({"derivatives"})
_DERIVATIVES = ("derivative", "gradient")
_MEANS = ("mean", "var", "cov")


def applied(rule: str, before: Node, after: Node, symbols: Symbols) -> bool:
    """Return whether the rule, and it alone, makes the line `after` of the line `before`.

    Raises:
        ValueError: no rule has this name.
    """
    if rule not in RULES:
        raise ValueError(f"no rule is called {rule!r}: there are {', '.join(sorted(RULES))}")
    return changed(RULES[rule], before, after, symbols)


def defined(symbol: Symbol, before: Node, after: Node, symbols: Symbols) -> bool:
    """Return whether `after` is `before` with the symbol's definition put in, or folded up."""

    def definition(part: Node, made_of_it: Node, _: Symbols) -> bool:
        name = part.parts[0] if part.kind == "call" and not part.name else part
        if name.kind != "name" or name.name != symbol.name or symbol.kind != "defined":
            return False
        index = {INDEX: name.parts[0] if name.parts else None} if symbol.each else {}
        arguments = dict(zip(symbol.arguments, part.parts[1:], strict=False))
        return ordered(_put_in(symbol.definition, arguments, index)) == made_of_it

    return changed(definition, before, after, symbols)


def changed(rule: Rule, before: Node, after: Node, symbols: Symbols) -> bool:
    """Return whether the rule, used at least once, leads from one line to the other."""
    a, b = ordered(before), ordered(after)
    if rule is rearrange:
        return rule(a, b, symbols)
    return a != b and (made(rule, a, b, symbols) or made(rule, b, a, symbols))


def made(rule: Rule, a: Node, b: Node, symbols: Symbols) -> bool:
    """Return whether b is a, with the rule used where they differ."""
    if a == b or rule(a, b, symbols):
        return True
    if a.kind != b.kind or a.name != b.name:
        return False
    if a.kind not in ("add", "mul"):
        pairs = zip(a.parts, b.parts, strict=False)
        return len(a.parts) == len(b.parts) and all(made(rule, *p, symbols) for p in pairs)
    left, right = _without_common(a, b)
    return any(
        all(made(rule, p, q, symbols) for p, q in zip(left, other, strict=True))
        for other in _arranged(a, len(left), right)
    )


def ordered(node: Node) -> Node:
    """Return the tree with terms and factors in one order: a + b is b + a."""
    parts = [ordered(part) for part in node.parts]
    return rebuilt(node, sorted(parts) if node.kind in ("add", "mul", "cov") else parts)


def rearrange(a: Node, b: Node, symbols: Symbols) -> bool:
    """Algebra only, sums written out: no definition is put in, no derivative or mean touched."""
    return a != b and equal(a, b, symbols, ALGEBRA)


def factor_rule(a: Node, b: Node, symbols: Symbols) -> bool:
    """A constant factor moves out of a derivative."""
    if a.kind not in _DERIVATIVES or a.parts[-1].kind != "mul":
        return False
    return any(
        b == ordered(multiply(*factors, _derived(a, multiply(*rest))))
        and _vanishes(_derived(a, multiply(*factors)), symbols)
        for factors, rest in _in_two(a.parts[-1].parts)
    )


def sum_rule(a: Node, b: Node, _: Symbols) -> bool:
    """The derivative of a sum becomes the sum of the derivatives."""
    if a.kind not in _DERIVATIVES:
        return False
    inside = a.parts[-1]
    if inside.kind == "add":
        return b == ordered(add(*(_derived(a, term) for term in inside.parts)))
    if inside.kind == "sum":
        *limits, body = inside.parts
        return b == ordered(Node("sum", inside.name, (*limits, _derived(a, body))))
    return False


def product_rule(a: Node, b: Node, _: Symbols) -> bool:
    """The derivative of u v becomes that of u times v, plus u times that of v."""
    if a.kind not in _DERIVATIVES or a.parts[-1].kind != "mul":
        return False
    return any(
        b
        == ordered(
            add(
                multiply(_derived(a, multiply(*u)), *v),
                multiply(*u, _derived(a, multiply(*v))),
            )
        )
        for u, v in _in_two(a.parts[-1].parts)
    )


def chain_rule(a: Node, b: Node, symbols: Symbols) -> bool:
    """The outer slope, times the derivative of what is inside, which stays to be taken.

    Of u² this makes 2 u u′, of f(u) f′(u) u′; of ℓ, by way of a defined name, ∂ℓ/∂ŷ times ∂ŷ/∂w.
    """
    if a.kind not in _DERIVATIVES:
        return False
    inside = a.parts[-1]
    if inside.kind == "pow":
        base, exponent = inside.parts
        less = add(exponent, MINUS_ONE)
        if exponent.kind == "number" and exponent.name.isdecimal():
            less = Node("number", str(int(exponent.name) - 1))
        return b == ordered(multiply(exponent, power(base, less), _derived(a, base)))
    if inside.kind == "call" and len(inside.parts) == 2:
        slope = Node("call", inside.name + "'", inside.parts)
        return b == ordered(multiply(slope, _derived(a, inside.parts[1])))
    between = {factor.parts[0] for factor in b.parts if factor.kind == "derivative"}
    kinds = {symbol.name: symbol.kind for symbol in symbols.values()}
    return any(
        b == ordered(multiply(Node("derivative", "", (name, inside)), _derived(a, name)))
        for name in between
        if kinds.get(name.name) == "defined" and name != inside
    )


def differentiate(a: Node, b: Node, symbols: Symbols) -> bool:
    """A derivative becomes its value; definitions are put in on a line of their own."""
    taken = a.kind in _DERIVATIVES and not _holds(b, *_DERIVATIVES)
    parts = _indexed(a, symbols), _indexed(b, symbols)
    return taken and equal(*parts, symbols, DERIVATIVES)


def linearity_of_the_mean(a: Node, b: Node, symbols: Symbols) -> bool:
    """A mean passes through sums, constant factors and derivatives."""
    if a.kind in _DERIVATIVES and a.parts[-1].kind == "mean":
        return b == ordered(mean(_derived(a, a.parts[-1].parts[0])))
    return (
        _holds(a, "mean") and equal(a, b, symbols, LINEARITY) and not equal(a, b, symbols, ALGEBRA)
    )


def definition_of_the_mean(a: Node, b: Node, symbols: Symbols) -> bool:
    """E[t] becomes the sum of the t_i over N."""
    if a.kind != "mean" or _holds(a.parts[0], *_MEANS):
        return False
    sums = [factor for factor in b.parts if factor.kind == "sum"]
    count = [Node("name", symbol.name) for symbol in symbols.values() if symbol.kind == "count"]
    if len(sums) != 1 or not count:
        return False
    letter = sums[0].name
    body = _indexed(a.parts[0], symbols, letter)
    whole = Node("sum", letter, (ONE, count[0], body))
    return b == ordered(multiply(power(count[0], MINUS_ONE), whole))


def definition_of_the_covariance(a: Node, b: Node, _: Symbols) -> bool:
    """Cov(u, v) becomes E[u v] − E[u] E[v]; or E[u v] becomes E[u] E[v] + Cov(u, v)."""
    covariances = [a, *b.parts]
    for u, v in (part.parts for part in covariances if part.kind == "cov"):
        together, apart = mean(multiply(u, v)), multiply(mean(u), mean(v))
        cov = Node("cov", "", (u, v))
        steps = [(cov, add(together, multiply(MINUS_ONE, apart))), (together, add(apart, cov))]
        if any((a, b) == (ordered(x), ordered(y)) for x, y in steps):
            return True
    return False


def definition_of_the_variance(a: Node, b: Node, _: Symbols) -> bool:
    """Var(u) becomes E[u²] − E[u]²."""
    if a.kind != "var":
        return False
    u, two = a.parts[0], Node("number", "2")
    squares = add(mean(power(u, two)), multiply(MINUS_ONE, power(mean(u), two)))
    return b == ordered(squares)


RULES: dict[str, Rule] = {
    "chain rule": chain_rule,
    "definition of the covariance": definition_of_the_covariance,
    "definition of the mean": definition_of_the_mean,
    "definition of the variance": definition_of_the_variance,
    "differentiate": differentiate,
    "factor rule": factor_rule,
    "linearity of the mean": linearity_of_the_mean,
    "product rule": product_rule,
    "rearrange": rearrange,
    "sum rule": sum_rule,
}


def _derived(operator: Node, inside: Node) -> Node:
    """Return the derivative of something else by the same variable."""
    return Node(operator.kind, operator.name, (*operator.parts[:-1], inside))


def _vanishes(node: Node, symbols: Symbols) -> bool:
    part = _indexed(node, symbols)
    return equal(part, multiply(MINUS_ONE, part), symbols)  # a number or a vector alike


def _holds(node: Node, *kinds: str) -> bool:
    return node.kind in kinds or any(_holds(part, *kinds) for part in node.parts)


def _in_two(parts: tuple[Node, ...]) -> Iterator[tuple[list[Node], list[Node]]]:
    """Yield every way to share the parts between two sides, none empty."""
    places = range(len(parts))
    for size in range(1, len(parts)):
        for chosen in combinations(places, size):
            yield [parts[i] for i in chosen], [parts[i] for i in places if i not in chosen]


def _without_common(a: Node, b: Node) -> tuple[list[Node], list[Node]]:
    left, right = Counter(a.parts), Counter(b.parts)
    return sorted((left - right).elements()), sorted((right - left).elements())


def _arranged(whole: Node, size: int, parts: list[Node]) -> Iterator[tuple[Node, ...]]:
    """Yield the ways to hand the parts of a sum or product to `size` others: whole, or joined."""
    if size == len(parts):
        yield from permutations(parts)
    elif size == 1:
        yield (rebuilt(whole, parts),)


def _put_in(node: Node, names: dict[str, Node], index: dict[str, Node | None]) -> Node:
    """Return the tree with arguments and index in their places; no index for one under a mean."""
    if node.kind == "name" and node.name in names:
        return names[node.name]
    if node.kind == "sum":
        index = {letter: to for letter, to in index.items() if letter != node.name}
    parts = []
    for part in node.parts:
        if part.kind != "index":
            parts.append(_put_in(part, names, index))
        elif (to := index.get(part.name, part)) is not None:
            parts.append(to)
    return rebuilt(node, parts)


def _indexed(node: Node, symbols: Symbols, letter: str = INDEX) -> Node:
    """Return what stands under a mean as one example's, by the letter."""
    each = {symbol.name for symbol in symbols.values() if symbol.each}
    if node.kind in _MEANS:
        return node
    if node.kind == "name" and node.name in each:
        own = not node.parts or node.parts[0].name == INDEX
        return Node("name", node.name, (Node("index", letter),)) if own else node
    return rebuilt(node, [_indexed(part, symbols, letter) for part in node.parts])
