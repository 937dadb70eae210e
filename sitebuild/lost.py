"""The page for addresses that lead nowhere: it says so, and where to go instead."""

import html

from sitebuild.site import LOST, Site

_THEIRS = "<h1>404 - Not found</h1>"
_PLACES = [
    ("", "The answer", "which averages commute with the gradient"),
    ("learn/linearity/", "The argument", "in seven pages"),
    ("practice/check-your-loop/", "The audit", "of your own training loop"),
    ("reference/questions/", "Questions and glossary", "each with a short answer"),
]


def filled(page: str, site: Site) -> str:
    """Return the theme's page with a sentence and links, which hold from any address.

    Raises:
        ValueError: the theme's page has another heading, so there is no place for them.
    """
    if _THEIRS not in page:
        raise ValueError(f"404.html must hold {_THEIRS}, which its own text takes the place of")
    root = html.escape(site.root(LOST))
    links = "".join(
        f'<li><a href="{root}{at}">{name}</a>, {what}</li>' for at, name, what in _PLACES
    )
    return page.replace(
        _THEIRS,
        "<h1>There is no such page</h1>"
        f"<p>It may have moved. Here is what there is:</p><ul>{links}</ul>",
    )
