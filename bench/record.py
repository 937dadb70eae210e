"""From seconds to rows: least and middle time, their ratio, and whether the goal is met."""

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.cases import Case
from bench.works import Against, Growth

Row = dict[str, Any]
Seconds = Sequence[float]


def row(
    against: Against, variant: str, case: Case, cores: int, ours: Seconds, peer: Seconds
) -> Row:
    """Return a comparison of two works that were timed in turns."""
    goal, ratio = against.goals[variant], digits(min(ours) / min(peer), 3)
    on = {"network": case.network} if case.network else {"P": case.P, "K": case.K}
    return {
        "work": against.work,
        "against": against.words,
        "peer": variant,
        **on,
        "dtype": case.dtype,
        "cores": cores,
        "ours_seconds": _both(ours),
        "peer_seconds": _both(peer),
        **_judged(ratio, goal),
    }


def growth_row(growth: Growth, cores: int, seconds: Mapping[Case, Seconds]) -> Row:
    """Return how much longer the largest case takes than linear growth from the first would."""
    sizes = [getattr(case, growth.of) for case in growth.cases]
    least = [min(seconds[case]) for case in growth.cases]
    ratio = digits(least[-1] / least[0] / (sizes[-1] / sizes[0]), 3)
    return {
        "work": growth.work,
        "of": growth.of,
        "cores": cores,
        "sizes": sizes,
        "seconds": [_both(seconds[case]) for case in growth.cases],
        **_judged(ratio, growth.goal),
    }


def memory_row(work: str, held: int, goal: int) -> Row:
    return {"work": work, "bytes": held, "goal": goal, "met": held <= goal}


def digits(value: float, number: int) -> float:
    return float(f"{value:.{number}g}")


def text(record: Mapping[str, Any]) -> str:
    """Return the record as JSON with a row a line, so that two of them can be compared."""
    parts = []
    for name, value in record.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in value)
            parts.append(f' "{name}": [\n{rows}\n ]')
        else:
            parts.append(f' "{name}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _both(seconds: Seconds) -> list[float]:
    return [digits(min(seconds), 4), digits(median(seconds), 4)]


def _judged(ratio: float, goal: float | None) -> Row:
    return {"ratio": ratio, "goal": goal, "met": None if goal is None else ratio <= goal}
