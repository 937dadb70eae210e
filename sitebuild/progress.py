"""Progress through the argument: on each page of `learn/`, which one it is, and a mark for each.

The pages and their order are the nav's: a page moved there moves here.
"""

import html

from sitebuild.site import Entry, Site

FOLDER = "learn/"


def shown(page: str, address: str, site: Site) -> str:
    """Return the page with the bar above its heading, if it is one of the argument.

    Raises:
        ValueError: it is, and has no heading.
    """
    entry = site.entry(address)
    if entry is None or not address.startswith(FOLDER):
        return page
    if "<h1" not in page:
        raise ValueError(f"{address} must have a heading, which its progress is shown above")
    return page.replace("<h1", bar(entry, site) + "<h1", 1)


def bar(entry: Entry, site: Site) -> str:
    """Return a line of links to the pages of the argument, this one marked."""
    pages = [other for other in site.entries if other.address.startswith(FOLDER)]
    place = f"{pages.index(entry) + 1} of {len(pages)}"
    root = site.root(entry.address)
    marks = "".join(_mark(number, page, entry, root) for number, page in enumerate(pages, 1))
    section = html.escape(entry.section)
    return (
        f'<nav class="gx-progress" aria-label="{section}, page {place}" data-search-exclude>'
        f"<p>{section} · {place}</p><ol>{marks}</ol></nav>"
    )


def _mark(number: int, page: Entry, current: Entry, root: str) -> str:
    """Return one mark. Its name is read aloud, and shown to a pointer that rests on it."""
    name = html.escape(f"{number}. {page.title}")
    here = ' aria-current="page"' if page is current else ""
    return f'<li><a href="{root}{page.address}" aria-label="{name}" title="{name}"{here}></a></li>'
