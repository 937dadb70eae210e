"""The recorded speed, written into its page at build: `<!--speed: ratios-->` becomes a table.

The numbers are those of docs/reference/speed.json, which `make bench` writes: the build times
nothing, and a new record needs no edit of the page.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECORD = Path("reference", "speed.json")
_WAYS = ("as it comes", "at its best")
Row = dict[str, Any]


def part(asked: str, docs: Path) -> str:
    """Return a part of the record: the run, its ratios, its growth.

    Raises:
        ValueError: something else is asked for.
    """
    parts = {"run": _run, "ratios": _ratios, "growth": _growth}
    if asked not in parts:
        raise ValueError(f"<!--speed: {asked}--> must ask for one of {', '.join(parts)}")
    return parts[asked](json.loads((docs / RECORD).read_bytes()))


def _run(record: Row) -> str:
    made = record["made"]
    releases = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    cores = " and ".join(str(number) for number in made["cores"])
    return (
        f"Recorded on {made['date']} with `{made['command']}` ({made['minutes']} minutes): "
        f"{made['machine']} ({made['processor']}), threads {cores}, {made['rounds']} rounds, "
        f"{made['blas']} with its {made['kernel']} kernel, huge pages *{made['huge_pages']}*, "
        f"{releases}."
    )


def _ratios(record: Row) -> str:
    """Return a line for each work and what it is compared with, in the record's order."""
    lines = [
        "| Ours, against | As it comes | At its best | Goal, met |",
        "|---|---|---|---|",
    ]
    for work, against in dict.fromkeys((row["work"], row["against"]) for row in record["rows"]):
        rows = [r for r in record["rows"] if (r["work"], r["against"]) == (work, against)]
        by_way = [[row for row in rows if row["peer"] == way] for way in _WAYS]
        cells = [f"{_words(work)}, against {against}", *map(_range, by_way)]
        lines.append(f"| {' | '.join(cells)} | {_goals(by_way)}{_of(rows)} |")
    return "\n".join(lines)


def _growth(record: Row) -> str:
    lines = ["| Measured | Found | Goal | Met |", "|---|---|---|---|"]
    for row in record["memory"]:
        found, goal = f"{row['bytes'] / 1e6:.2f} MB", f"≤ {row['goal'] / 1e6:g} MB"
        lines.append(f"| {row['work']}, extra memory | {found} | {goal} | {_met([row])} |")
    for row in record["growth"]:
        first, last = (f"{row['sizes'][i]:,}" for i in (0, -1))
        what = f"time, {row['of']} from {first} to {last}, over linear growth"
        found, goal = _short(row["ratio"]), _goals([[row]])
        lines.append(f"| {_words(row['work'])}, {what} | {found} | {goal} | {_met([row])} |")
    return "\n".join(lines)


def _range(rows: Sequence[Row]) -> str:
    """Return the least and the largest ratio, bold where one of them misses its goal."""
    if not rows:
        return "–"
    ends = dict.fromkeys(_short(end(row["ratio"] for row in rows)) for end in (min, max))
    return f"**{'–'.join(ends)}**" if any(row["met"] is False for row in rows) else "–".join(ends)


def _words(work: str) -> str:
    return work.replace("_", " ").replace("per example", "per-example")


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _goals(by_way: Sequence[Sequence[Row]]) -> str:
    goals = [f"≤ {goal:g}" for rows in by_way for goal in {row["goal"] for row in rows} if goal]
    return " / ".join(dict.fromkeys(goals)) or "–"


def _of(rows: Sequence[Row]) -> str:
    return "" if (met := _met(rows)) == "–" else f", {met}"


def _met(rows: Sequence[Row]) -> str:
    judged = [row["met"] for row in rows if row["met"] is not None]
    if len(judged) < 2:
        return {(): "–", (True,): "yes", (False,): "**no**"}[tuple(judged)]
    return f"{sum(judged)} of {len(judged)}"
