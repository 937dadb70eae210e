"""The glossary: on every other page, the first use of each of its terms becomes a link to it.

A term is defined once, in docs/reference/questions.md, by two lines:

    mean loss { #mean-loss }
    :   J = E[ℓ], one number for the batch.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import relpath

from sitebuild.page import Page, edited

PAGE = "reference/questions.md"
_DEFINED = re.compile(r"^(?P<term>\S.*?) \{ #(?P<name>[\w-]+) \}\n:   ", re.MULTILINE)


def terms(page: str) -> dict[str, str]:
    """Return the terms that a page defines, each with the name its definition is reached by.

    Raises:
        ValueError: a term or a name is defined twice.
    """
    found: dict[str, str] = {}
    for match in _DEFINED.finditer(page):
        if match["term"] in found or match["name"] in found.values():
            raise ValueError(f"{match['term']} must be defined once, under a name of its own")
        found[match["term"]] = match["name"]
    return found


def link_terms(page: str, known: dict[str, str], address: str) -> str:
    r"""Return the page with the first use of each known term as a link to it at `address`.

    A plural is a use; headings, links, alt texts, code, formulas and lines of HTML are not prose.

    >>> link_terms("# Loss\n\nLosses, and a loss.", {"loss": "loss"}, "questions.md")
    '# Loss\n\n[Losses](questions.md#loss){ .gx-term }, and a loss.'
    """
    source, first = Page(page), dict[str, re.Match[str]]()
    for use in _uses(known).finditer(source.prose):
        is_html = page.startswith("<", page.rfind("\n", 0, use.start()) + 1)
        if source.may_link(use.start()) and not is_html:
            first.setdefault(known[_singular(use, known)], use)
    links = [
        (*use.span(), f"[{use[0]}]({address}#{name}){{ .gx-term }}") for name, use in first.items()
    ]
    return edited(page, links)


def linked(page: str, docs: Path, name: PurePosixPath) -> str:
    """Return the page with its terms linked, unless it is a page of reference itself."""
    if name.parts[0] == "reference":
        return page
    known = terms((docs / PAGE).read_text(encoding="utf-8"))
    return link_terms(page, known, relpath(PAGE, name.parent))


def _uses(known: dict[str, str]) -> re.Pattern[str]:
    """Match any term, the longest first: a mean loss is no loss."""
    longest_first = sorted(known, key=len, reverse=True)
    any_term = "|".join(re.escape(term) for term in longest_first)
    return re.compile(rf"(?<![\w.-])(?P<term>{any_term})(?:e?s)?(?![\w-])", re.IGNORECASE)


def _singular(use: re.Match[str], known: dict[str, str]) -> str:
    return next(term for term in known if term.lower() == use["term"].lower())
