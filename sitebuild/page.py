r"""Read a page's Markdown once: its code blocks, its computed numbers, its formulas, its prose.

A computed number is written `0.2233<!--= expression -->`. The expression is evaluated in the page's
namespace, right after its *proof block*, and the reader's link leads there. The site and the tests
read pages through this module, so what is linked is what was checked.

Not prose, and so free of marks: fences, code spans, formulas, HTML comments and tags, attribute
lists, front matter, addresses, the numbers of a numbered list, and `1.5<!--from: a source-->`.
"""

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent

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
#: A fence's first line: its language, where its code runs if that is not here, its attributes.
INFO = re.compile(r'(?P<language>\w+)(?P<place> torch(?:run=\d+)?)?(?: +\w+="[^"]*")*')
_NO_LINKS = re.compile(
    r"^[ \t]*#.*$"  # headings
    r"|^[ \t]*(?:!!!|\?\?\?|===).*$"  # titles of admonitions, details and tabs
    r"|^<summary>.*$"  # of what unfolds
    r"|!?\[[^\]]*\](?=[(\[])",  # link texts and alt texts
    re.MULTILINE,
)
Span = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """One Python block: its code without indent, and where its whole fence stands in the page."""

    start: int
    end: int
    body_start: int
    line: int
    code: str
    visible: bool
    place: str = ""  # "torch" or "torchrun=2" where it needs PyTorch: the field's tests run it

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


@dataclass(frozen=True)
class Page:
    """One page's Markdown, and what it is made of: scanned when first asked, and once."""

    text: str

    @cached_property
    def pieces(self) -> tuple[re.Match[str], ...]:
        """All that is not prose, in page order, each named by its kind."""
        return tuple(_PIECE.finditer(self.text))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The Python blocks in page order, invisible ones included."""
        return tuple(
            self._block(piece, "body" if piece.lastgroup == "fence" else "unseen")
            for piece in self.pieces
            if piece.lastgroup == "invisible"
            or (piece.lastgroup == "fence" and piece["info"].split(" ")[0] == "python")
        )

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """The computed numbers in page order; those shown inside code are no marks."""
        return tuple(
            Mark(
                start=piece.start(),
                end=piece.end(),
                line=self.line(piece.end("printed")),
                printed=piece["printed"],
                expression=" ".join(piece["expression"].split()),
            )
            for piece in self.pieces
            if piece.lastgroup == "mark"
        )

    @cached_property
    def displays(self) -> tuple[Display, ...]:
        """The displayed formulas in page order."""
        return tuple(
            Display(
                piece.start(), self.line(piece.start()), self.text[slice(*above)], piece[0][2:-2]
            )
            for piece, above in self._displays()
        )

    @cached_property
    def prose(self) -> str:
        """The page with all but its prose blanked out, every character in its place."""
        return self._blanked(piece.span() for piece in self.pieces)

    @cached_property
    def unseen(self) -> tuple[Span, ...]:
        """Where the comments are that only the checks read, so that the HTML leaves them out."""
        found = [above for _, above in self._displays() if above[0] < above[1]]
        for piece in self.pieces:
            if piece.lastgroup == "invisible":
                found.append(piece.span())
            elif piece.lastgroup == "quoted":
                found.append((piece.start() + piece[0].index("<!--"), piece.end()))
        return tuple(found)

    @cached_property
    def unlinkable(self) -> tuple[Span, ...]:
        """Where a link would break the page: headings, titles, links and alt texts."""
        without_marks = self._blanked((mark.start, mark.end) for mark in self.marks)
        return tuple(match.span() for match in _NO_LINKS.finditer(without_marks))

    def line(self, position: int) -> int:
        """Return the line that a position lies on, counted from 1."""
        return self.text.count("\n", 0, position) + 1

    def may_link(self, position: int) -> bool:
        """Return whether a link may stand there."""
        return not any(start <= position < end for start, end in self.unlinkable)

    def _block(self, piece: re.Match[str], body: str) -> Block:
        return Block(
            start=piece.start(),
            end=piece.end(),
            body_start=piece.start(body),
            line=self.line(piece.start()),
            code=dedent(piece[body]),
            visible=body == "body",
            place=_place(piece["info"] or ""),
        )

    def _displays(self) -> Iterator[tuple[re.Match[str], Span]]:
        above = (0, 0)
        for piece in self.pieces:
            if piece.lastgroup == "display":
                adjoins = not self.text[above[1] : piece.start()].strip()
                yield piece, above if adjoins else (0, 0)
            above = piece.span() if piece.lastgroup == "comment" else (0, 0)

    def _blanked(self, spans: Iterator[Span]) -> str:
        """Blank parts of the text out: what stands in them must not be taken for anything."""
        parts, done = [], 0
        for start, end in spans:
            parts += [self.text[done:start], re.sub(r"[^\n]", " ", self.text[start:end])]
            done = end
        return "".join([*parts, self.text[done:]])


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """Return the text with each span replaced by what stands beside it."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _place(info: str) -> str:
    match = INFO.fullmatch(info.rstrip())
    return (match["place"] or "").strip() if match else ""
