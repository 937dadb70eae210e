"""Run situations of one framework in this environment; print what the audit says, as JSON.

python -m field.one transformers_trainer unequal_tokens last_step_of_epoch
"""

import contextlib
import importlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from gradexplain import audit_accumulation


def main(arguments: Sequence[str]) -> None:
    module, *names = arguments
    with contextlib.redirect_stdout(sys.stderr):  # trainers print
        rows = list(audited(module, names))
    json.dump(rows, sys.stdout)


def audited(module: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    case = importlib.import_module(f"field.cases.{module}")
    for name in names:
        situation = getattr(case, name)
        caught = situation()
        report = audit_accumulation(
            caught.accumulated, caught.parts, counts=caught.counts, full=caught.full
        )
        yield {
            "package": case.PACKAGE,
            "version": importlib.metadata.version(case.PACKAGE),
            "case": f"{module}.{name}",
            "situation": inspect.getdoc(situation),
            "report": report.to_dict(),
        }


if __name__ == "__main__":
    main(sys.argv[1:])
