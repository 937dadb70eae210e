"""Markdown extension: every computed number becomes a link to the block that proves it."""

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from gradexplain.sitebuild.pages import Block, Mark, blocks, linked_block, marks

_NO_LINKS = [
    re.compile(r"^#.*$", re.MULTILINE),  # headings
    re.compile(r"!?\[[^\]]*\]\("),  # link texts and alt texts
]
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


class NumbersExtension(Extension):
    """Runs before all other Markdown: in tables and alt texts the marks would break it."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register the preprocessor."""
        md.preprocessors.register(_Numbers(md), "gradexplain-numbers", 100)


class _Numbers(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return link_numbers("\n".join(lines)).split("\n")


def link_numbers(page: str) -> str:
    """Return the page with its marks as links, its visible blocks with ids, and no comments."""
    page_blocks = blocks(page)
    ids = {block: f"block-{i}" for i, block in enumerate((b for b in page_blocks if b.visible), 1)}
    edits = [(mark.start, mark.end, _number(page, mark, page_blocks, ids)) for mark in marks(page)]
    edits += [
        (block.start, block.body_start, _opening(page, block, ids[block]))
        for block in page_blocks
        if block.visible
    ]
    taken = [(start, end) for start, end, _ in edits]
    edits += [(m.start(), m.end(), "") for m in _COMMENT.finditer(page) if not _inside(m, taken)]
    for start, end, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[end:]
    return page


def makeExtension(**_: object) -> NumbersExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return NumbersExtension()


def _number(page: str, mark: Mark, page_blocks: list[Block], ids: dict[Block, str]) -> str:
    block = linked_block(mark, page_blocks)
    plain = any(
        match.start() <= mark.start < match.end()
        for pattern in _NO_LINKS
        for match in pattern.finditer(page)
    )
    if plain or block is None:
        return mark.printed
    return f'<a class="gx-number" href="#{ids[block]}">{mark.printed}</a>'


def _opening(page: str, block: Block, name: str) -> str:
    """Return the fence's first line with an id, and doctests coloured as such."""
    first_line = page[block.start : block.body_start]
    language = "pycon" if block.is_doctest else "python"
    return re.sub(
        r"(`{3,}|~{3,})python *([^\n]*)", rf"\1{{ .{language} #{name} \2 }}", first_line, count=1
    )


def _inside(match: re.Match[str], spans: list[tuple[int, int]]) -> bool:
    return any(start <= match.start() and match.end() <= end for start, end in spans)
