"""Which block proves a computed number, and whether the digits printed are the value's."""

import ast
import builtins
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from numbers import Integral, Real

from sitebuild.page import Block, Mark


def proof_block(mark: Mark, page_blocks: Sequence[Block]) -> Block:
    """Return the block after which the mark is checked: the last above that binds one of its names.

    A page's opening states numbers before the first block: then it is the first visible block below
    by whose end all names are bound.

    Raises:
        ValueError: the mark is not well formed, or no block of the page binds one of its names.
    """
    names = _free_names(mark)
    above = [block for block in page_blocks if block.end <= mark.start]
    if above and names <= _bound_by(above):
        return ([block for block in above if bound_names(block) & names] or above)[-1]
    ready = [
        block
        for number, block in enumerate(page_blocks[len(above) :], len(above) + 1)
        if names <= _bound_by(page_blocks[:number])
    ]
    if not ready:
        missing = ", ".join(sorted(names - _bound_by(page_blocks))) or "nothing: there is none"
        raise ValueError(f"no block binds {missing}, for {mark.expression}")
    return next((block for block in ready if block.visible), ready[0])


def linked_block(mark: Mark, page_blocks: Sequence[Block]) -> Block | None:
    """Return the block a reader is sent to: the proof block, or the visible one nearest to it."""
    proof = page_blocks.index(proof_block(mark, page_blocks))
    before = [block for block in page_blocks[: proof + 1] if block.visible]
    after = [block for block in page_blocks[proof:] if block.visible]
    return next(iter(before[-1:] or after), None)


def is_rounding(printed: str, value: object) -> bool:
    """Return whether `printed` is `value` rounded to the digits printed.

    An integer must be the value itself, within 1e-9; a zero bears no sign.

    >>> is_rounding("−0.0117", -0.011696), is_rounding("2", 2.1), is_rounding("4.4e-16", 4.44e-16)
    (True, False, True)
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(float(value)):
        return False
    mantissa, _, exponent = printed.replace("−", "-").partition("e")
    decimals = len(mantissa.partition(".")[2])
    if exponent:
        digits, _, power = f"{float(value):.{decimals}e}".partition("e")
        return (mantissa, int(exponent)) == (digits, int(power))
    if isinstance(value, Integral) and not decimals:
        return mantissa == str(int(value))
    if not decimals and abs(float(value) - round(float(value))) > 1e-9:
        return False
    rounded = f"{float(value):.{decimals}f}"
    return mantissa == (rounded if float(rounded) else rounded.removeprefix("-"))


def bound_names(block: Block) -> frozenset[str]:
    """Return the names that the block binds in its page's namespace, or changes a part of.

    Raises:
        ValueError: the block is not Python.
    """
    try:
        return _bound_in(block.source)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the block in line {block.line} is not Python: {error}") from None


def _bound_by(page_blocks: Sequence[Block]) -> set[str]:
    return set().union(*(bound_names(block) for block in page_blocks))


def _free_names(mark: Mark) -> set[str]:
    if fault := mark_fault(mark):
        raise ValueError(fault)
    tree = ast.parse(mark.expression, mode="eval")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    inside = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    inside |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in names} - inside - set(dir(builtins))


def mark_fault(mark: Mark) -> str:
    """Say what is wrong with how a mark is written; nothing if it is well formed."""
    if not mark.printed:
        return f"the mark <!--= {mark.expression} --> must follow a number"
    if "|" in mark.expression:
        return f"{mark.expression} must hold no |, which would end a table's cell"
    try:
        ast.parse(mark.expression, mode="eval")
    except SyntaxError as error:
        return f"{mark.expression} must be a Python expression: {error.msg}"
    return ""


@lru_cache(maxsize=1024)
def _bound_in(code: str) -> frozenset[str]:
    return frozenset(_bindings(ast.parse(code)))


def _bindings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name  # what it binds inside stays inside
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield from (part.id for part in ast.walk(node.value) if isinstance(part, ast.Name))
    elif not isinstance(
        node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ):
        for child in ast.iter_child_nodes(node):
            yield from _bindings(child)
