"""Run situations of one framework in this environment; write what the audit says, as JSON.

    python -m field.one OUT.json transformers_trainer unequal_tokens last_step_of_epoch

Under torchrun, each worker runs them and the first one writes.
"""

import contextlib
import importlib
import importlib.metadata
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from field.capture import Capture
from gradexplain import Report, audit_accumulation


def main(arguments: Sequence[str]) -> None:
    out, module, *names = arguments
    with contextlib.redirect_stdout(sys.stderr):  # trainers print
        rows = list(audited(module, names))
    if os.environ.get("RANK", "0") == "0":
        Path(out).write_text(json.dumps(rows), encoding="utf-8")
    if "torch" in sys.modules:
        leave_together()


def audited(module: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    case = importlib.import_module(f"field.cases.{module}")
    for name in names:
        text, run = situation(case, name)
        found = run()
        yield {
            "package": case.PACKAGE,
            "version": importlib.metadata.version(case.PACKAGE),
            "case": f"{module}.{name}",
            "situation": text,
            "report": (found if isinstance(found, Report) else report_of(found)).to_dict(),
        }


def situation(case: Any, name: str) -> tuple[str, Callable[[], Capture | Report]]:
    """Return a situation's text and run: a row of the module's table, or a function of its own."""
    if hasattr(case, "TABLE"):
        row = case.TABLE[name]
        return row.text, row.run
    run = getattr(case, name)
    return inspect.getdoc(run) or "", run


def report_of(caught: Capture) -> Report:
    return audit_accumulation(
        caught.accumulated, caught.parts, counts=caught.counts, full=caught.full
    )


def leave_together() -> None:
    from field.workers import leave, met_already  # noqa: PLC0415 - it imports torch

    if met_already():
        leave()


if __name__ == "__main__":
    main(sys.argv[1:])
