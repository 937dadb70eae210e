"""The field report's tables, drawn at build: `<!--field: keras jax-->` becomes a table for each.

Their rows are those of docs/practice/field-report.json, which `make field` writes.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

RECORD = Path("practice", "field-report.json")
Row = dict[str, Any]


def tables(packages: str, docs: Path) -> str:
    """Return a table for each of the packages named.

    Raises:
        ValueError: a package has no row in the record.
    """
    rows = json.loads((docs / RECORD).read_bytes())["rows"]
    recorded = dict.fromkeys(row["package"] for row in rows)
    unknown = [name for name in packages.split() if name not in recorded]
    if unknown or not packages:
        raise ValueError(f"<!--field: {packages}--> must ask for some of {', '.join(recorded)}")
    return "\n\n".join(_table(rows, name) for name in packages.split())


def _table(rows: Iterable[Row], package: str) -> str:
    """Return a line for each situation, and a column for each release that was run."""
    own = [row for row in rows if row["package"] == package]
    releases = dict.fromkeys(row["version"] for row in own)
    head = [package, *(f"`{release.partition('+')[0]}`" for release in releases)]
    lines = [head, ["---"] * len(head)]
    now_first = sorted(own, key=lambda row: row["environment"] != "now")  # it has every situation
    for case in dict.fromkeys(row["case"] for row in now_first):
        found = {row["version"]: row for row in own if row["case"] == case}
        situation = next(iter(found.values()))["situation"]
        lines.append([situation, *_cells(found, releases)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(found: dict[str, Row], releases: Iterable[str]) -> Iterator[str]:
    for release in releases:
        if release not in found:
            yield "not run"
        elif found[release]["verdict"] == "exact":
            yield "exact"
        else:
            yield _wrong(found[release])


def _wrong(row: Row) -> str:
    """Return the verdict, its factor, and the distance from the right gradient."""
    times = "" if row["factor"] == 1 else f" × {row['factor']:g}"
    found = f"{row['case']!r}, {row['environment']!r}"
    return f"**{row['verdict']}**{times}, {100 * row['error']:.1f}<!--= off({found}) -->% off"
