"""The loop of a museum's bug as people would write it, taken from the code that the museum runs.

The tap is left out, `loop.batches` is `batches`, and what a helper does stands where it is called.
"""

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher

Line = tuple[str, str]  # " ", "-" or "+", and the code
SAME = {"net": "model"}  # wrapped for several workers, it is called all the same


def shown(source: str, told: Mapping[str, str]) -> list[Line]:
    """Return the loop that an entry shows: the one that the museum runs, or the one written out."""
    return read(told["loop"].removesuffix("\n")) if "loop" in told else changes(source)


def changes(source: str) -> list[Line]:
    """Return the loop before it was fixed, line by line, and what the fix puts in place of which.

    >>> source = "def before(loop): loop.tap(f()).backward()"
    >>> changes(source + chr(10) + "def after(loop): (f() / loop.steps).backward()")
    [('-', 'f().backward()'), ('+', '(f() / steps).backward()')]
    """
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    old, new = (_lines(functions[side], functions) for side in ("before", "after"))
    found: list[Line] = []
    for kind, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [(" ", line) for line in old[i:i_end]]
        else:
            found += [("-", line) for line in old[i:i_end]]
            found += [("+", line) for line in new[j:j_end]]
    return found


def read(text: str) -> list[Line]:
    """Return what is written as a diff without a head: a sign, a space, a line of code.

    Raises:
        ValueError: a line begins with another sign.
    """
    for line in text.splitlines():
        if line[:2].strip() not in {"", "-", "+"}:
            raise ValueError(f"a line must begin with '- ', '+ ' or two spaces, not {line!r}")
    return [(line[:1] or " ", line[2:]) for line in text.splitlines()]


def side(lines: Iterable[Line], sign: str) -> str:
    """Return the code before the fix, "-", or after it, "+"."""
    return "\n".join(code for mark, code in lines if mark in {" ", sign})


def _lines(function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]) -> list[str]:
    body = list(_inlined(function.body, functions, {}))
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, []))).splitlines()


def _inlined(
    body: Iterable[ast.stmt],
    functions: Mapping[str, ast.FunctionDef],
    given: Mapping[str, ast.expr],
) -> Iterator[ast.stmt]:
    """Yield statements in plain words; a call of a helper is what the helper does."""
    for statement in body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Constant):
            continue  # a docstring
        if ast.unparse(statement) == "batch, = loop.batches":
            continue  # each worker has one
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "loop.log":
            continue
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in functions:
            helper = functions[call.func.id]  # type: ignore[attr-defined]
            plain = _Plain(given)
            names = [a.arg for a in helper.args.args + helper.args.kwonlyargs]
            values = {k.arg: k.value for k in call.keywords} | dict(
                zip(names, call.args, strict=False)
            )
            inner = {n: plain.visit(copy.deepcopy(values[n])) for n in names if n != "loop"}
            yield from _inlined(helper.body, functions, inner)
            continue
        made = _Plain(given).visit(copy.deepcopy(statement))
        if isinstance(made, ast.Assign) and ast.unparse(made.targets[0]) == ast.unparse(made.value):
            continue  # only the tap stood there
        if isinstance(statement, ast.For | ast.If | ast.With):
            made.body = list(_inlined(statement.body, functions, given))
        yield made


class _Plain(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.given.get(node.id, node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "loop":
            return ast.Name(SAME.get(node.attr, node.attr), node.ctx)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "loop.tap":
            return self.visit(node.args[0])
        node.keywords = [k for k in node.keywords if k.arg != "strict"]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self.visit(ast.Assign([node.target], node.value or ast.Constant(...)))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        node = copy.deepcopy(node)
        self.generic_visit(node)
        once = isinstance(node.op, ast.Mult) and ast.unparse(node.right) == "1"
        return node.left if once else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node = copy.deepcopy(node)
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node
