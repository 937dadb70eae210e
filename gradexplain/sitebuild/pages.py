r"""Read a page's Markdown: its code blocks, its computed numbers, and what goes unchecked.

A computed number is written `0.2233<!--= expression -->`. The expression is evaluated in the page's
namespace, right after its *proof block*, and the reader's link leads there. The site and the tests
read pages through this module alone, so what is linked is what was checked.

Not prose, and so free of marks: fences, code spans, formulas, HTML comments and tags, attribute
lists, front matter, addresses, the numbers of a numbered list, and `1.5<!--from: a source-->`.
"""

import ast
import builtins
import doctest
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from numbers import Integral, Real
from textwrap import dedent

LANGUAGES = ("python", "sh", "console", "text", "yaml", "toml", "json")

_NUMBER = r"[-−]?\d+(?:\.\d+)?(?:e[-−+]?\d+)?"
_ATTRIBUTE = r'[ \t]*(?:[.#][\w-]+|[\w-]+=(?:"[^"\n]*"|[^\s}"]+))'
# What a page is made of, prose apart. A page is read once, and the leftmost piece wins: a mark in
# a code span is code, a backtick in a comment is comment.
_PIECES = {
    "front": r"\A---\n.*?^---$",
    "fence": r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=indent)(?P=ticks)[ \t]*$",
    "invisible": r"^[ \t]*<!--+ *invisible-code-block: python *\n(?P<unseen>.*?)--+>",
    "mark": rf"(?P<printed>(?<![\w.,]){_NUMBER}|)<!--=(?P<expression>.*?)-->",
    "quoted": r"[-−]?\d+(?:\.\d+)*(?:e[-−+]?\d+)?<!--from:.*?-->",
    "comment": r"<!--.*?-->",
    "span": r"(?<!`)(?P<tick>`{1,2})(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=tick)(?!`)",
    "display": r"\$\$.*?\$\$",
    "inline": r"(?<![\\$])\$(?![\s$])(?:\\.|[^\\$\n]|\n(?![ \t]*\n))+?(?<!\s)\$",
    "target": r"\]\([^\s)]*",
    "reference": r"^ {0,3}\[[^\]\n]+\]: *\S+",
    "address": r"https?://[^\s)>]+",
    "attributes": rf"\{{:?{_ATTRIBUTE}(?:[ \t]+{_ATTRIBUTE})*[ \t]*\}}",
    "tag": r"</?[a-zA-Z](?:(?!(?:alt|title|aria-label)=)[^>\n])*>",
    "item": r"^[ \t]*\d{1,2}\. ",
}
_PIECE = re.compile(
    "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PIECES.items()),
    re.DOTALL | re.MULTILINE,
)
_INFO = re.compile(r'(?P<language>\w+)(?P<place> torch(?:run=\d+)?)?(?: +\w+="[^"]*")*')
_IN_PROSE = re.compile(r"\d+(?:\.\d+)+|(?<!\w)\d+e[-−+]?\d+|(?<![\w.])(?:\.\d+|\d+(?!\w))")
_STATEMENTS_ONLY_PYTHON_HAS = re.compile(
    r"^\s*(?:>>>|import \w|from [\w.]+ import |(?:def|class) \w+.*:$)", re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One Python block: its code without indent, and where its whole fence stands in the page."""

    start: int
    end: int
    body_start: int
    line: int
    code: str
    visible: bool
    place: str = ""  # "torch" or "torchrun=2" where it needs PyTorch, and is run with it alone

    @property
    def is_doctest(self) -> bool:
        """Whether its outputs are shown and compared."""
        return self.code.startswith(">>>")

    @cached_property
    def examples(self) -> list[doctest.Example]:
        """Its prompts with what each prints; none where outputs are not compared."""
        return doctest.DocTestParser().get_examples(self.code) if self.is_doctest else []

    @property
    def source(self) -> str:
        """The Python in it, without prompts and outputs."""
        if not self.is_doctest:
            return self.code
        return "".join(example.source for example in self.examples)


@dataclass(frozen=True)
class Mark:
    """One computed number: what is printed, the expression it claims to be, and where."""

    start: int
    end: int
    line: int
    printed: str
    expression: str


@dataclass(frozen=True)
class Display:
    """One displayed formula, and the comment right above it that declares it; empty if none."""

    start: int
    line: int
    comment: str
    tex: str


def blocks(page: str) -> list[Block]:
    """Return the Python blocks in page order, invisible ones included."""
    found = []
    for piece in _PIECE.finditer(page):
        if piece.lastgroup == "invisible":
            found.append(_block(page, piece, "unseen"))
        elif piece.lastgroup == "fence" and piece["info"].split(" ")[0] == "python":
            found.append(_block(page, piece, "body"))
    return found


def marks(page: str) -> list[Mark]:
    """Return the computed numbers in page order; those shown inside code are no marks."""
    return [
        Mark(
            start=piece.start(),
            end=piece.end(),
            line=_line(page, piece.end("printed")),
            printed=piece["printed"],
            expression=" ".join(piece["expression"].split()),
        )
        for piece in _PIECE.finditer(page)
        if piece.lastgroup == "mark"
    ]


def displays(page: str) -> list[Display]:
    """Return the displayed formulas in page order."""
    return [
        Display(piece.start(), _line(page, piece.start()), page[slice(*above)], piece[0][2:-2])
        for piece, above in _displays(page)
    ]


def proof_block(mark: Mark, page_blocks: list[Block]) -> Block:
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


def linked_block(mark: Mark, page_blocks: list[Block]) -> Block | None:
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


def unmarked_numbers(page: str) -> list[str]:
    """Name each number in prose that should carry a mark: decimals, and integers a block prints."""
    outputs = "\n".join(example.want for block in blocks(page) for example in block.examples)
    printed = set(re.findall(r"(?<![\w.])\d+(?![\w.])", outputs))
    faults = []
    for match in _IN_PROSE.finditer(prose(page)):
        number, line = match[0], _line(page, match.start())
        if not number.isdecimal():
            faults.append(f"line {line}: the decimal {number} has no mark")
        elif number in printed:
            faults.append(f"line {line}: {number} has no mark, though a block prints it")
    return faults


def mark_faults(page: str) -> list[str]:
    """Name each mark that follows no number, has a `|` or no Python in it, or is misspelt."""
    faults = [f"line {mark.line}: {fault}" for mark in marks(page) if (fault := _mark_fault(mark))]
    return faults + [
        f"line {_line(page, piece.start())}: {piece[0]} must be written"
        " 1.5<!--= expression --> or 1.5<!--from: source-->"
        for piece in _PIECE.finditer(page)
        if piece.lastgroup == "comment" and re.match(r"<!--\s*(?:=|from\b)", piece[0])
    ]


def fence_faults(page: str) -> list[str]:
    """Name each place where Python could stand unrun, or outputs uncompared."""
    faults = []
    for piece in _PIECE.finditer(page):
        fault = ""
        if piece.lastgroup == "fence":
            fault = _fence_fault(piece["info"], dedent(piece["body"]))
        elif piece.lastgroup == "comment" and "code-block" in piece[0]:
            fault = "an unseen block must open with <!-- invisible-code-block: python"
        if fault:
            faults.append(f"line {_line(page, piece.start())}: {fault}")
    faults += [
        f"line {_line(page, stray.start())}: {stray[0].strip()} must stand in a fence, opened and"
        " closed on lines of their own with the same indent"
        for stray in re.finditer(r"`{3}|~{3}|^[ \t]*>>>", prose(page), re.MULTILINE)
    ]
    written = len(re.findall(r"(?:```|~~~)[ \t{.]*py", page, re.IGNORECASE))
    run = sum(block.visible for block in blocks(page))
    if written != run:
        faults.append(f"line 1: {written} fences are written for Python, {run} are run")
    return faults


def prose(page: str) -> str:
    """Return the page with all but its prose blanked out, every character in its place."""
    return _PIECE.sub(lambda piece: re.sub(r"[^\n]", " ", piece[0]), page)


def comments_unseen(page: str) -> list[tuple[int, int]]:
    """Return where the comments stand that are for the checks alone, not for the HTML."""
    found = []
    for piece in _PIECE.finditer(page):
        if piece.lastgroup == "invisible":
            found.append(piece.span())
        elif piece.lastgroup == "quoted":
            found.append((piece.start() + piece[0].index("<!--"), piece.end()))
    return found + [above for _, above in _displays(page) if above[0] < above[1]]


def bound_names(block: Block) -> frozenset[str]:
    """Return the names that the block binds in its page's namespace, or changes a part of.

    Raises:
        ValueError: the block is not Python.
    """
    try:
        return _bound_in(block.source)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the block in line {block.line} is not Python: {error}") from None


def _displays(page: str) -> Iterator[tuple[re.Match[str], tuple[int, int]]]:
    above = (0, 0)
    for piece in _PIECE.finditer(page):
        if piece.lastgroup == "display":
            adjoins = not page[above[1] : piece.start()].strip()
            yield piece, above if adjoins else (0, 0)
        above = piece.span() if piece.lastgroup == "comment" else (0, 0)


def _block(page: str, piece: re.Match[str], body: str) -> Block:
    return Block(
        start=piece.start(),
        end=piece.end(),
        body_start=piece.start(body),
        line=_line(page, piece.start()),
        code=dedent(piece[body]),
        visible=body == "body",
        place=_place(piece["info"] or ""),
    )


def _place(info: str) -> str:
    match = _INFO.fullmatch(info.rstrip())
    return (match["place"] or "").strip() if match else ""


def _line(page: str, position: int) -> int:
    return page.count("\n", 0, position) + 1


def _bound_by(page_blocks: list[Block]) -> set[str]:
    return set().union(*(bound_names(block) for block in page_blocks))


def _free_names(mark: Mark) -> set[str]:
    if fault := _mark_fault(mark):
        raise ValueError(fault)
    tree = ast.parse(mark.expression, mode="eval")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    inside = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    inside |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in names} - inside - set(dir(builtins))


def _mark_fault(mark: Mark) -> str:
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


def _fence_fault(info: str, body: str) -> str:
    match = _INFO.fullmatch(info.rstrip())
    if match is None or match["language"] not in LANGUAGES:
        return f'the fence "{info}" must be one of {", ".join(LANGUAGES)}, then name="value" pairs'
    if match["place"] and match["language"] != "python":
        return f'the fence "{info}" must be Python if it needs PyTorch'
    if match["language"] == "python":
        return _doctest_fault(body) if body.startswith(">>>") else ""
    if _is_python(body, match["language"]):
        return f"Python hides in a {match['language']} fence"
    return ""


def _doctest_fault(code: str) -> str:
    try:
        parts = doctest.DocTestParser().parse(code)
    except ValueError as error:
        return f"doctest cannot read the block: {error}"
    if any(isinstance(part, str) and part.strip() for part in parts):
        return (
            "after a blank line, doctest reads nothing but prompts: <BLANKLINE> is a blank output"
        )
    if any(isinstance(part, doctest.Example) and part.options for part in parts):
        return "doctest options compare less than what is printed"
    return ""


def _is_python(text: str, language: str) -> bool:
    """Return whether text is Python that does something; names and constants alone do not."""
    if _STATEMENTS_ONLY_PYTHON_HAS.search(text):
        return True
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    settings = (ast.Assign,) if language == "toml" else ()  # `name = "value"` is TOML as well
    harmless = (ast.Module, ast.Expr, ast.AnnAssign, *settings)
    acts = [
        node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.Call | ast.comprehension)
    ]
    return not all(isinstance(node, harmless) for node in acts)
