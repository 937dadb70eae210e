"""Markdown extension: every computed number becomes a link to the block that proves it."""

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from gradexplain.sitebuild.pages import Block, Mark, blocks, comments_unseen, linked_block, marks

_NO_LINKS = re.compile(
    r"^[ \t]*#.*$"  # headings
    r"|^[ \t]*(?:!!!|\?\?\?|===).*$"  # titles of admonitions, details and tabs
    r"|!?\[[^\]]*\](?=[(\[])",  # link texts and alt texts
    re.MULTILINE,
)


class NumbersExtension(Extension):
    """Runs before all other Markdown: in tables and alt texts the marks would break it."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        """Register the preprocessor."""
        md.preprocessors.register(_Numbers(md), "gradexplain-numbers", 100)


class _Numbers(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return link_numbers("\n".join(lines)).split("\n")


def link_numbers(page: str) -> str:
    """Return the page with its marks as links, ids on its blocks, and without unseen comments.

    Raises:
        ValueError: a mark is not well formed, or no block proves it.
    """
    page_blocks = blocks(page)
    ids = {block: f"block-{i}" for i, block in enumerate((b for b in page_blocks if b.visible), 1)}
    unlinked = places_without_links(page)
    edits = [(start, end, "") for start, end in comments_unseen(page)]
    edits += [(block.start, block.body_start, _opening(page, block, ids[block])) for block in ids]
    for mark in marks(page):
        block = _linked(mark, page_blocks)
        inside = any(start <= mark.start < end for start, end in unlinked)
        text = mark.printed if block is None or inside else _link(mark, ids[block])
        edits.append((mark.start, mark.end, text))
    for start, end, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[end:]
    return page


def places_without_links(page: str) -> list[tuple[int, int]]:
    """Return where a link would break the page: headings, titles, links and alt texts."""
    return [match.span() for match in _NO_LINKS.finditer(_without_marks(page))]


def makeExtension(**_: object) -> NumbersExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return NumbersExtension()


def _linked(mark: Mark, page_blocks: list[Block]) -> Block | None:
    try:
        return linked_block(mark, page_blocks)
    except ValueError as error:
        raise ValueError(f"line {mark.line}: {error}") from None


def _link(mark: Mark, name: str) -> str:
    title = "To the block that computes this number"
    return f'<a class="gx-number" href="#{name}" title="{title}">{mark.printed}</a>'


def _without_marks(page: str) -> str:
    """Blank the marks out: a bracket in an expression must not end a link's text."""
    for mark in marks(page):
        page = page[: mark.start] + " " * (mark.end - mark.start) + page[mark.end :]
    return page


def _opening(page: str, block: Block, name: str) -> str:
    """Return the fence's first line with an id, and doctests coloured as such."""
    first_line = page[block.start : block.body_start]
    language = "pycon" if block.is_doctest else "python"
    first_line = (
        first_line.replace(f"python {block.place}", "python", 1) if block.place else first_line
    )
    return re.sub(
        r"(`{3,}|~{3,})python *([^\n]*)", rf"\1{{ .{language} #{name} \2 }}", first_line, count=1
    )
