"""Progress through the argument: on each page of `learn/`, which one it is, and a mark for each.

The pages and their order are the nav's: a page moved there moves here.
"""

import html

from mkdocs.structure.pages import Page

FOLDER = "learn/"


def bar(page: Page) -> str:
    """Return a line of links to the page's section, this page marked; nothing outside `learn/`."""
    if page.parent is None or not page.file.src_uri.startswith(FOLDER):
        return ""
    pages = [child for child in page.parent.children if isinstance(child, Page)]
    place = f"{pages.index(page) + 1} of {len(pages)}"
    marks = "".join(_mark(number, other, page) for number, other in enumerate(pages, 1))
    section = html.escape(page.parent.title)
    return (
        f'<nav class="gx-progress" aria-label="{section}, page {place}" data-search-exclude>'
        f"<p>{section} · {place}</p><ol>{marks}</ol></nav>"
    )


def _mark(number: int, other: Page, page: Page) -> str:
    """Return one mark. Its name is read aloud, and shown to a pointer that rests on it."""
    name = html.escape(f"{number}. {other.title}")
    current = ' aria-current="page"' if other is page else ""
    href = other.file.url_relative_to(page.file)
    return f'<li><a href="{href}" aria-label="{name}" title="{name}"{current}></a></li>'
