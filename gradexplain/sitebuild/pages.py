"""Read a page's Markdown: its code blocks, its computed numbers, and the numbers left unmarked.

A computed number is written `0.2233<!--= expression -->`. The expression is evaluated in the page's
namespace, right after its *proof block*, and the reader's link leads there. The site and the tests
read pages through this module alone, so what is linked is what was checked.
"""

import ast
import builtins
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n]*)\n"
    r"(?P<body>.*?)^[ \t]*(?P=ticks)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_INVISIBLE = re.compile(
    r"^<!--+ *invisible-code-block: python *\n(?P<body>.*?)--+>", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(
    r"(?P<printed>(?:[-−]?\d[\d]*(?:\.\d+)?(?:e[-−+]?\d+)?)?)<!--=(?P<expression>.*?)-->", re.DOTALL
)
_QUOTED = re.compile(r"[-−]?\d+(?:\.\d+)?<!--from:[^>]*-->")
_NOT_PROSE = [
    re.compile(r"\A---\n.*?^---$", re.DOTALL | re.MULTILINE),  # front matter
    _FENCE,
    _MARK,
    _QUOTED,
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL),  # code spans
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"\]\([^)]*\)"),  # where links and images lead
    re.compile(r"\{[^}\n]*\}"),  # attribute lists
    re.compile(r"<[^>\n]+>"),  # tags and bare addresses
    re.compile(r"^ *\d+\. ", re.MULTILINE),  # numbered lists
]
_LANGUAGES = {"python", "sh", "text", "yaml", "toml", "json"}


@dataclass(frozen=True)
class Block:
    """One Python block: `code` without its indent, `start` and `end` the whole fence in the page."""

    start: int
    end: int
    body_start: int
    line: int
    code: str
    visible: bool

    @property
    def is_doctest(self) -> bool:
        """Whether its output is shown and compared."""
        return self.code.startswith(">>>")

    @property
    def source(self) -> str:
        """The Python in it, without prompts and outputs."""
        if not self.is_doctest:
            return self.code
        return "".join(example.source for example in doctest.DocTestParser().get_examples(self.code))

    @property
    def expected(self) -> str:
        """All outputs that it shows."""
        if not self.is_doctest:
            return ""
        return "".join(example.want for example in doctest.DocTestParser().get_examples(self.code))


@dataclass(frozen=True)
class Mark:
    """One computed number: what is printed, the expression it claims to be, and where."""

    start: int
    end: int
    line: int
    printed: str
    expression: str


def blocks(page: str) -> list[Block]:
    """Return the Python blocks in page order, invisible ones included."""
    fences = [
        _block(page, match, visible=True)
        for match in _FENCE.finditer(page)
        if match["info"].split(" ")[0] == "python"
    ]
    invisible = [_block(page, match, visible=False) for match in _INVISIBLE.finditer(page)]
    return sorted(fences + invisible, key=lambda block: block.start)


def marks(page: str) -> list[Mark]:
    """Return the computed numbers in page order; those shown inside code are no marks.

    Raises:
        ValueError: a mark follows no number.
    """
    code = [match.span() for match in (*_FENCE.finditer(page), *_INVISIBLE.finditer(page))]
    code += [match.span() for match in _NOT_PROSE[5].finditer(page)]
    found = []
    for match in _MARK.finditer(page):
        if any(start <= match.start() and match.end() <= end for start, end in code):
            continue
        line = _line(page, match.end("printed"))
        if not match["printed"]:
            raise ValueError(f"line {line}: the mark {match[0]} must follow a number")
        found.append(
            Mark(match.start(), match.end(), line, match["printed"], match["expression"].strip())
        )
    return found


def proof_block(mark: Mark, page_blocks: list[Block]) -> Block:
    """Return the block after which the mark is checked: the last above that binds one of its names.

    A page's opening states numbers before the first block: then it is the first block below by
    whose end all names are bound.

    Raises:
        ValueError: no block of the page binds one of the names.
    """
    names = _free_names(mark.expression)
    above = [block for block in page_blocks if block.end <= mark.start]
    bound = set().union(*(bound_names(block) for block in above))
    if above and names <= bound:
        binders = [block for block in above if bound_names(block) & names]
        return (binders or above)[-1]
    for block in page_blocks[len(above) :]:
        bound |= bound_names(block)
        if names <= bound:
            return block
    missing = ", ".join(sorted(names - bound)) or "a block"
    raise ValueError(f"line {mark.line}: no block binds {missing}, used by {mark.expression}")


def linked_block(mark: Mark, page_blocks: list[Block]) -> Block | None:
    """Return the block a reader is sent to: the proof block, or the visible one nearest to it."""
    proof = page_blocks.index(proof_block(mark, page_blocks))
    before = [block for block in page_blocks[: proof + 1] if block.visible]
    after = [block for block in page_blocks[proof:] if block.visible]
    return before[-1] if before else after[0] if after else None


def is_rounding(printed: str, value: float) -> bool:
    """Return whether `printed` is `value` rounded to the digits printed; integers must be exact."""
    printed = printed.replace("−", "-")
    mantissa, _, exponent = printed.partition("e")
    decimals = len(mantissa.partition(".")[2])
    if exponent:
        return float(f"{value:.{decimals}e}") == float(printed)
    if decimals == 0 and abs(value - round(value)) > 1e-9:
        return False
    return f"{value:.{decimals}f}" == printed


def unmarked_numbers(page: str) -> list[str]:
    """Name each number in prose that should carry a mark: decimals, and integers a block prints."""
    printed = set(re.findall(r"(?<![\w.])\d+(?![\w.])", _outputs(page)))
    faults = []
    text = prose(page)
    for match in re.finditer(r"(?<![\w.])\d+(?:\.\d+)*(?![\w])", text):
        number, line = match[0], _line(page, match.start())
        if "." in number:
            faults.append(f"line {line}: the decimal {number} has no mark")
        elif number in printed:
            faults.append(f"line {line}: {number} has no mark, though a block prints it")
    return faults


def prose(page: str) -> str:
    """Return the page with all but its prose blanked out, every character in its place."""
    for pattern in _NOT_PROSE:
        page = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), page)
    return page


def fence_faults(page: str) -> list[str]:
    """Name each fence that a tool may skip in silence, or that hides Python under another name."""
    faults = []
    for match in _FENCE.finditer(page):
        line, language = _line(page, match.start()), match["info"].split(" ")[0]
        if language not in _LANGUAGES:
            allowed = ", ".join(sorted(_LANGUAGES))
            faults.append(f'line {line}: fence "{match["info"]}" must be one of {allowed}')
        elif language != "python" and _is_python(dedent(match["body"])):
            faults.append(f"line {line}: Python hides in a {language} fence")
    if len(re.findall(r"^\s*(?:```|~~~)", page, re.MULTILINE)) % 2:
        faults.append("a fence is left open")
    return faults


def bound_names(block: Block) -> set[str]:
    """Return the names that the block binds in its page's namespace."""
    return set(_bindings(ast.parse(block.source)))


def _block(page: str, match: re.Match[str], *, visible: bool) -> Block:
    return Block(
        start=match.start(),
        end=match.end(),
        body_start=match.start("body"),
        line=_line(page, match.start()),
        code=dedent(match["body"]),
        visible=visible,
    )


def _line(page: str, position: int) -> int:
    return page.count("\n", 0, position) + 1


def _outputs(page: str) -> str:
    return "\n".join(block.expected for block in blocks(page))


def _free_names(expression: str) -> set[str]:
    tree = ast.parse(expression, mode="eval")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names} - stored - set(dir(builtins))


def _bindings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name  # what it binds inside stays inside
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.DictComp):
        for child in ast.iter_child_nodes(node):
            yield from _bindings(child)


def _is_python(text: str) -> bool:
    try:
        tree = ast.parse(text.replace(">>> ", ""))
    except SyntaxError:
        return False
    words = ast.Expr, ast.Constant, ast.Name, ast.Tuple, ast.Load, ast.Module
    return not all(isinstance(node, words) for node in ast.walk(tree))
