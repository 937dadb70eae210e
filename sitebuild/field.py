"""The field report's tables, drawn at build: `<!--field: keras jax-->` becomes a table for each.

`<!--workers: trl torch-->` does the same for what was run on one worker and on two, and
`<!--releases: trl-->` for the releases around a fix. The rows are those of
docs/practice/field-report.json, which `make field` writes.
"""

import json
import math
import re
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
    rows = [
        row for row in _recorded(docs) if "workers" not in row and "+" not in row["environment"]
    ]
    return "\n\n".join(_table(rows, name) for name in _asked("field", packages, rows))


def workers(packages: str, docs: Path) -> str:
    """Return a table for each of the packages named: on one worker, and on two.

    Raises:
        ValueError: a package has no such row in the record.
    """
    rows = [row for row in _recorded(docs) if "workers" in row]
    return "\n\n".join(_workers(rows, name) for name in _asked("workers", packages, rows))


def releases(packages: str, docs: Path) -> str:
    """Return a table for each of the packages named: what was run of several of its releases.

    Raises:
        ValueError: a package has no such row in the record.
    """
    rows = _recorded(docs)
    laid = [row for row in rows if "+" in row["environment"]]
    cases = {row["case"] for row in laid}
    own = [row for row in rows if row["case"] in cases]
    return "\n\n".join(_by_release(own, name) for name in _asked("releases", packages, laid))


def _by_release(rows: Iterable[Row], package: str) -> str:
    """Return a line for each release, and a column for each situation."""
    own = [row for row in rows if row["package"] == package]
    texts = dict.fromkeys(row["situation"].removesuffix(".") for row in own)
    lines = [f"| {package} | {' | '.join(texts)} |", f"|---{'|---' * len(texts)}|"]
    for release in sorted({row["version"] for row in own}, key=_place):
        found = {r["situation"].removesuffix("."): r for r in own if r["version"] == release}
        cells = [_share(found[text]) if text in found else "not run" for text in texts]
        lines.append(f"| `{release}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def _recorded(docs: Path) -> list[Row]:
    return list(json.loads((docs / RECORD).read_bytes())["rows"])


def _asked(kind: str, packages: str, rows: Iterable[Row]) -> list[str]:
    recorded = dict.fromkeys(row["package"] for row in rows)
    unknown = [name for name in packages.split() if name not in recorded]
    if unknown or not packages:
        raise ValueError(f"<!--{kind}: {packages}--> must ask for some of {', '.join(recorded)}")
    return packages.split()


def _workers(rows: Iterable[Row], package: str) -> str:
    """Return a line for each situation, those furthest off first."""
    own = [row for row in rows if row["package"] == package]
    release = own[0]["version"].partition("+")[0]
    lines = [f"| {package} `{release}` | one worker | two workers |", "|---|---|---|"]
    found: dict[str, dict[int, Row]] = {}
    for row in own:
        found.setdefault(row["situation"], {})[row["workers"]] = row
    for text, by in sorted(found.items(), key=lambda one: -max(map(_far, one[1].values()))):
        cells = (_share(by[number]) if number in by else "not run" for number in (1, 2))
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _far(row: Row) -> float:
    return 0 if row["verdict"] == "exact" else max(abs(math.log(one)) for one in ratios(row))


def ratios(row: Row) -> list[float]:
    """Return each weight over the right one, the smallest first."""
    pairs = zip(row["weights"], row["expected"], strict=True)
    return sorted(weight / right for weight, right in pairs)


def _share(row: Row) -> str:
    """Return the verdict, and by what the right weights were multiplied."""
    if row["verdict"] == "exact":
        return "exact"
    wrong = [term for term, verdict in row.get("terms", {}).items() if verdict != "exact"]
    what = f", `{'`, `'.join(wrong)}`" if wrong else ""
    least, most = ratios(row)[0], ratios(row)[-1]
    ends = {f"{least:.3g}": "least", f"{most:.3g}": "most"}
    if row["verdict"] == "rescaled":
        ends = {f"{row['factor']:.3g}": "times"}
    which = repr(row["case"])
    if row["environment"] != "now":
        which += f", {row['environment']!r}"
    shown = " to ".join(f"×&nbsp;{x}<!--= {of}({which}) -->" for x, of in ends.items())
    return f"**{row['verdict']}**{what}, {shown}"


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
