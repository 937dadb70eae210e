"""Find what could be wrong on a page and must not pass unnoticed: every digit, sign and operator.

Changed are blocks (their comments and docstrings apart), expected outputs, computed numbers with
their expressions, and derivations with their declarations. A digit becomes each of its neighbors,
a sign or an operator its opposite. What is no Python any more counts as no change: nobody overlooks
it.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sitebuild.page import Block, Mark, Page
from sitebuild.proof import proof_block

_SIGNS = {"+": "-", "-": "+", "−": "+"}
_OPERATORS = {"*": "/", "/": "*", "**": "*", "//": "/", "%": "*", "@": "*", "&": "|", "|": "&"}
_COMPARISONS = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_WORDS = {"and": "or", "or": "and", "not": "", "is": "is not", "in": "not in"}
_IN_OUTPUT = {**_SIGNS, **_OPERATORS, **_COMPARISONS}
_IN_CODE = {**_IN_OUTPUT, **_WORDS}
_IN_FORMULA = {"+": "-", "-": "+", "=": r"\neq ", "^": "_", "_": "^", r"\sum": r"\prod"}

# A formula that declares its symbols is checked, and so is what it declares.
_DECLARED = re.compile(r"<!--(?P<symbols>(?:(?!-->).)*)-->\s*\$\$(?P<formula>.*?)\$\$", re.DOTALL)
_RULE_NAME = re.compile(r"\\text\{.*?\}")


@dataclass(frozen=True, order=True)
class Change:
    """One change: `after` takes the place of what the page holds from `start` to `end`."""

    start: int
    end: int
    after: str

    def applied(self, page: str) -> str:
        """Return the page with the change made."""
        return page[: self.start] + self.after + page[self.end :]

    def line(self, page: str) -> int:
        """Return its line, counted from 1."""
        return page.count("\n", 0, self.start) + 1

    def lines(self, page: str) -> tuple[str, str]:
        """Return its line before and after the change."""
        number = self.line(page) - 1
        before, after = (text.splitlines()[number] for text in (page, self.applied(page)))
        return before.strip(), after.strip()


@dataclass(frozen=True)
class _Piece:
    """A text that a check reads: `places` are its characters' positions in the page."""

    text: str
    places: Sequence[int]
    opposites: dict[str, str]
    visible: Callable[[str], str] = str
    holds: Callable[[str], bool] = bool

    def changes(self) -> Iterator[Change]:
        for symbol in _pattern(self.opposites).finditer(self.visible(self.text)):
            for after in _replacements(symbol[0], self.opposites):
                if self.holds(Change(*symbol.span(), after).applied(self.text)):
                    start = self.places[symbol.start()]
                    yield Change(start, start + len(symbol[0]), after)


def changes(page: str, place: str = "") -> list[Change]:
    """Return every change of the page, in page order; of what runs at this place only."""
    source = Page(page)
    here = [block for block in source.blocks if block.place == place]
    pieces = [piece for block in here for piece in _of_block(page, block)]
    shown = [mark for mark in source.marks if _proved_at(mark, source) == place]
    pieces += [piece for mark in shown for piece in _of_mark(page, mark)]
    if place:
        return sorted(change for piece in pieces for change in piece.changes())
    for found in _DECLARED.finditer(page):
        pieces.append(_Piece(found["symbols"], _span(found, "symbols"), _IN_OUTPUT))
        pieces.append(
            _Piece(found["formula"], _span(found, "formula"), _IN_FORMULA, _without_rule_names)
        )
    lost_signs = [Change(mark.start, mark.start, "−") for mark in shown if _unsigned(mark)]
    return sorted([*lost_signs, *(change for piece in pieces for change in piece.changes())])


def _proved_at(mark: Mark, source: Page) -> str:
    """Return where a computed number is checked: an ill-formed one where most are."""
    try:
        return proof_block(mark, source.blocks).place
    except ValueError:
        return ""


def _of_block(page: str, block: Block) -> Iterator[_Piece]:
    lines = _line_places(page, block)
    if not block.is_doctest:
        yield _Piece(block.code, _joined(lines), _IN_CODE, _without_prose, _is_python)
    for prompt in block.examples:
        first, end = prompt.lineno, prompt.lineno + prompt.source.count("\n")
        places = _joined(line[len(">>> ") :] for line in lines[first:end])
        yield _Piece(prompt.source, places, _IN_CODE, _without_prose, _is_python)
        yield _Piece(prompt.want, _joined(lines[end:]), _IN_OUTPUT)


def _of_mark(page: str, mark: Mark) -> Iterator[_Piece]:
    yield _Piece(mark.printed, range(mark.start, mark.end), _IN_OUTPUT)
    start, end = page.index("=", mark.start) + 1, mark.end - len("-->")
    yield _Piece(page[start:end], range(start, end), _IN_CODE, holds=_is_expression)


def _line_places(page: str, block: Block) -> list[range]:
    """Return where each line of the block's code stands in the page, its indent left out."""
    code = block.code.splitlines(keepends=True)
    body = page[block.body_start :].splitlines(keepends=True)[: len(code)]
    ends = accumulate(map(len, body), initial=block.body_start)
    next(ends)
    return [range(end - len(line), end) for line, end in zip(code, ends, strict=True)]


def _joined(lines: Sequence[range] | Iterator[range]) -> list[int]:
    return [place for line in lines for place in line]


def _span(found: re.Match[str], group: str) -> range:
    return range(*found.span(group))


def _unsigned(mark: Mark) -> bool:
    return mark.printed[:1] not in ("-", "−")


def _pattern(opposites: dict[str, str]) -> re.Pattern[str]:
    longest_first = sorted(opposites, key=len, reverse=True)
    symbols = (rf"\b{word}\b" if word.isalpha() else re.escape(word) for word in longest_first)
    return re.compile("|".join([r"\d", *symbols]))


def _replacements(symbol: str, opposites: dict[str, str]) -> list[str]:
    if symbol.isdecimal():
        return [str(digit) for digit in (int(symbol) - 1, int(symbol) + 1) if 0 <= digit <= 9]
    return [opposites[symbol]]


def _without_prose(code: str) -> str:
    """Blank comments and docstrings out, every other character in its place."""
    lines = code.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            _blank(lines, token.start[0], token.start[1])
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            docstring = node.body[0]
            for row in range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1):
                _blank(lines, row, 0)
    return "".join(lines)


def _blank(lines: list[str], row: int, start: int) -> None:
    line = lines[row - 1]
    lines[row - 1] = line[:start] + re.sub(r"[^\n]", " ", line[start:])


def _without_rule_names(formula: str) -> str:
    return _RULE_NAME.sub(lambda name: " " * len(name[0]), formula)


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def _is_expression(code: str) -> bool:
    return _is_python(f"({' '.join(code.split())})")
