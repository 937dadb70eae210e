"""Audit real frameworks, each in its own environment: write the field report, or check it.

    python tests/field/run.py           # writes docs/practice/field-report.json
    python tests/field/run.py --check   # runs all again; fails where a verdict or a weight moved
    python tests/field/run.py --check now  # those of one environment

Standard library only: it starts each environment's own Python.
"""

import datetime as dt
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "practice" / "field-report.json"
CLOSE = 1e-3  # how far two runs' weights and errors may differ: float32, other processors
Row = dict[str, Any]

# By environment, then by file under cases/: the situations to run there.
ACCUMULATING = {
    "accelerate_accumulate": ("unequal_tokens", "last_step_of_epoch", "variable_size"),
    "lightning_accumulate": ("unequal_tokens", "last_step_of_epoch"),
    "keras_accumulation": ("last_short_batch", "masked_tokens"),
    "optax_multi_steps": ("unequal_counts", "sum_over_targets"),
    "jax_devices": ("pmean", "psum"),
}
SITUATIONS = {
    "2024": {
        # No `last_step_of_epoch`: this release keeps the rest for the next epoch's first step.
        # No `own_loss_declared`: its attribute came later.
        "transformers_trainer": ("unequal_tokens", "own_loss", "label_smoothing"),
        **ACCUMULATING,
    },
    "now": {
        "transformers_trainer": (
            "unequal_tokens",
            "last_step_of_epoch",
            "own_loss",
            "own_loss_declared",
            "label_smoothing",
        ),
        **ACCUMULATING,
        # One release of torch serves both environments, so its own loops run once.
        "torch_loop": (
            "loss_over_k",
            "sum_over_targets",
            "last_short_step",
            "last_short_batch",
            "class_weights",
            "batch_norm",
            "info_nce",
            "root_mean_square",
        ),
        "torch_ddp": ("unequal_tokens", "global_count"),
    },
}


def main(arguments: Sequence[str]) -> int:
    check, *asked = arguments or [""]
    sets = asked or [*SITUATIONS]
    rows = [row for environment in sets for row in run_all(environment)]
    faults = [*(known_wrong(rows) if "2024" in sets else ()), *controls(rows)]
    if check == "--check":
        recorded = json.loads(REPORT.read_text(encoding="utf-8"))["rows"]
        faults += changes([row for row in recorded if row["environment"] in sets], rows)
    elif not faults:
        write(rows)
    for fault in faults:
        print(f"field report: {fault}", file=sys.stderr)
    print(f"field report: {len(rows)} situations audited, {len(faults)} faults")
    return 1 if faults else 0


def run_all(environment: str) -> Iterator[Row]:
    for module, names in SITUATIONS[environment].items():
        for row in run(environment, module, names):
            print(f"{row['package']} {row['version']} {row['case']}: {row['verdict']}")
            yield row


def run(environment: str, module: str, names: Sequence[str]) -> list[Row]:
    python = ROOT / f".venv-field-{environment}" / "bin" / "python"
    found = subprocess.run(
        [python, "-m", "field.one", module, *names],
        env=_variables(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"field report: {module} failed in {environment}\n{found.stderr[-4000:]}")
    return [{"environment": environment, **_short(row)} for row in json.loads(found.stdout)]


def known_wrong(rows: Sequence[Row]) -> Iterator[str]:
    """The audit must find what transformers 4.45.2 is known for: each micro-batch weighs alike."""
    old = _row(rows, "2024", "transformers_trainer.unequal_tokens")
    told = old["version"] == "4.45.2" and old["verdict"] == "mean of means"
    if not told or not _near(old["weights"], [0.25] * 4) or _near(old["expected"], [0.25] * 4):
        yield f"transformers 4.45.2 must read as a mean of means, 1/4 each, not {old}"


def controls(rows: Sequence[Row]) -> Iterator[str]:
    """Loops written to be right must read as exact, or the audit cries wolf."""
    for row in rows:
        right = row["case"].partition(".")[2] in RIGHT
        if right and row["verdict"] != "exact":
            yield f"{row['case']} in {row['environment']} is right, but reads {row['verdict']}"


RIGHT = ("variable_size", "sum_over_targets", "psum", "global_count")


def changes(old: Sequence[Row], new: Sequence[Row]) -> Iterator[str]:
    """Say what this run found that the committed report does not say."""
    before = {_name(row): row for row in old}
    after = {_name(row): row for row in new}
    for name in before.keys() ^ after.keys():
        yield f"{name} was {'not run' if name in before else 'not in the report'}"
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        if not all(_near(was[key], now[key]) for key in was):
            yield f"{name} changed from {was} to {now}: look why, then run make field"


def write(rows: Sequence[Row]) -> None:
    made = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "command": "make field",
    }
    text = json.dumps({"made": made, "rows": rows}, indent=1, ensure_ascii=False)
    REPORT.write_text(text + "\n", encoding="utf-8")


def _short(row: Row) -> Row:
    """What the page needs of a report, to digits that another processor would give too."""
    report = row["report"]
    return {
        **{key: row[key] for key in ("package", "version", "case", "situation")},
        "verdict": report["title"],
        "factor": _rounded(report["factor"]),
        "counts": [part["count"] for part in report["parts"]],
        "weights": [_rounded(part["weight"]) for part in report["parts"]],
        "expected": [_rounded(part["expected"]) for part in report["parts"]],
        "error": _rounded(report["relative_error"]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _row(rows: Sequence[Row], environment: str, case: str) -> Row:
    return next(row for row in rows if _name(row) == (environment, case))


def _name(row: Row) -> tuple[str, str]:
    return row["environment"], row["case"]


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)


def _variables() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONWARNINGS": "ignore",  # the frameworks' own deprecations are theirs to fix
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
