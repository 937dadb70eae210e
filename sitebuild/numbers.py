"""Markdown extension: every computed number becomes a link to the block that proves it."""

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from sitebuild.page import Block, Mark, Page, edited
from sitebuild.proof import linked_block


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
    source = Page(page)
    visible = [block for block in source.blocks if block.visible]
    ids = {block: f"block-{number}" for number, block in enumerate(visible, 1)}
    edits = [(start, end, "") for start, end in source.unseen]
    edits += [(block.start, block.body_start, _opening(page, block, ids[block])) for block in ids]
    for mark in source.marks:
        block = _linked(mark, source)
        links = block and source.may_link(mark.start)
        text = _link(mark, ids[block]) if block and links else mark.printed
        edits.append((mark.start, mark.end, text))
    return edited(page, edits)


def makeExtension(**_: object) -> NumbersExtension:  # noqa: N802 - Python-Markdown's name
    """Return the extension, as Python-Markdown asks for it."""
    return NumbersExtension()


def _linked(mark: Mark, source: Page) -> Block | None:
    try:
        return linked_block(mark, source.blocks)
    except ValueError as error:
        raise ValueError(f"line {mark.line}: {error}") from None


def _link(mark: Mark, name: str) -> str:
    title = "To the block that computes this number"
    return f'<a class="gx-number" href="#{name}" title="{title}">{mark.printed}</a>'


def _opening(page: str, block: Block, name: str) -> str:
    """Return the fence's first line with an id, and doctests colored as such."""
    first_line = page[block.start : block.body_start]
    language = "pycon" if block.is_doctest else "python"
    first_line = (
        first_line.replace(f"python {block.place}", "python", 1) if block.place else first_line
    )
    return re.sub(
        r"(`{3,}|~{3,})python *([^\n]*)", rf"\1{{ .{language} #{name} \2 }}", first_line, count=1
    )
