"""The changes that may go unnoticed, each with its reason; and what a run finds wrong with them."""

import tomllib
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

#: Where a change is made, and the text before and after it.
Altered = tuple[str, str, str]


def listed(survivors: Path, kind: str) -> set[Altered]:
    """Return what the file lists; a list that lacks a reason is an error."""
    entries = _entries(survivors, kind)
    return {(one["place"], one["before"], after) for one in entries for after in one["after"]}


def listed_operators(survivors: Path) -> Counter[tuple[str, str]]:
    """Return how often each function may survive each change of an operator, as the file lists it.

    Such an entry outlives an edit of the line: it names the function, and what was changed in it.
    """
    entries = _entries(survivors, "code")
    return Counter((entry["place"], change) for entry in entries for change in entry["changes"])


def _entries(survivors: Path, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(survivors.read_text("utf-8")).get(kind, [])
    for entry in entries:
        if not entry.get("reason"):
            raise ValueError(f"{survivors.name} must give a reason for {entry}")
    return entries


def faults(
    every: AbstractSet[Altered],
    tried: AbstractSet[Altered],
    unnoticed: AbstractSet[Altered],
    allowed: AbstractSet[Altered],
) -> list[str]:
    """Name each change that went unnoticed and is not listed, and each that is listed in vain."""
    verdicts = {
        "Unnoticed:": unnoticed - allowed,
        "Listed, but there is no such change:": allowed - every,
        "Listed, but noticed:": allowed & (tried - unnoticed),
    }
    return [
        shown(verdict, altered) for verdict, which in verdicts.items() for altered in sorted(which)
    ]


def shown(verdict: str, altered: Altered) -> str:
    """Return the verdict, and under it the text before and after the change."""
    place, before, after = altered
    return f"{verdict} {place}\n  - {before}\n  + {after}"
