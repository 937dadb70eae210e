"""Audit real frameworks, each in its own environment: write the field report, or check it.

    python tests/field/run.py           # writes docs/practice/field-report.json
    python tests/field/run.py --only trl_losses  # runs these, and keeps the other rows
    python tests/field/run.py --check   # runs all again; fails where a verdict or a weight moved
    python tests/field/run.py --check now  # those of one environment
    python tests/field/run.py --check --sample 6 --seed $(git rev-parse HEAD)  # six files of them

Standard library only: it starts each environment's own Python.
"""

import argparse
import datetime as dt
import json
import math
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.overlaid import ROOT, laid, python_of, variables_of  # noqa: E402 - found only now

from field.launched import torchrun  # noqa: E402 - as above

REPORT = ROOT / "docs" / "practice" / "field-report.json"
CLOSE = 1e-3  # how far two runs' weights and errors may differ: float32, other processors
Row = dict[str, Any]
Unit = tuple[str, str, tuple[str, ...]]  # an environment, a file under cases/, its situations


def both(*names: str) -> tuple[str, ...]:
    """Return situations that are run by one worker, and by two."""
    return (*names, *(f"{name}@2" for name in names))


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


# What is audited by the number of its workers.
ON_WORKERS = {
    "now": {
        "transformers_models": both(
            "llama",
            "gpt2",
            "mixtral_router",
            "bert_masked",
            "bert_tokens",
            "bert_texts",
            "bert_number",
            "t5",
            "vit",
            "vit_several",
            "bert_texts_declared",
        ),
        "trl_losses": (
            *both(
                "sft",
                "sft_bf16",
                "sft_router",
                "sft_dft",
                "dpo",
                "reward",
                "grpo",
                "grpo_bnpo",
                "grpo_dr",
                "grpo_dapo",
                "grpo_dapo_shorter",
            ),
            "dpo_odd",
            "reward_odd",
            "grpo_dapo_longer",
            "grpo_cispo",
            "grpo_cispo_default",
            "grpo_sapo",
            "grpo_vespo",
            "grpo_luspo",
        ),
        "accelerate_bf16": both("guide", "variable_size"),
        "lightning_ddp": both("mean_loss", "sum_over_targets"),
        "deepspeed_zero": both(
            *(
                f"zero{number}{offload}_{loss}"
                for loss in ("mean_loss", "sum_over_targets")
                for number in (1, 2)
                for offload in ("", "_offload")
            )
        ),
        "torch_fsdp2": both("mean_loss", "sum_over_targets", "bf16_sum_over_targets"),
    },
}
# Other releases, laid over an environment: which of them has a fix.
SMOOTHED, TOKENS = "label_smoothing", "unequal_tokens"
RELEASES: dict[str, dict[str, tuple[str, ...]]] = {
    "2024+transformers-4.46.0": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "2024+transformers-4.46.3": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "now+transformers-5.9.0": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "now+transformers-5.10.1": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "now+transformers-5.14.1": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "now+transformers-5.15.0": {"transformers_trainer": (TOKENS, SMOOTHED)},
    "now+trl-1.9.0": {"trl_losses": ("grpo_dapo_longer",)},
    "now+trl-1.9.1": {"trl_losses": ("grpo_dapo_longer",)},
    "now+lightning-2.5.0": {"lightning_accumulate": ("last_step_of_epoch",)},
}
KNOWN: Unit = ("2024", "transformers_trainer", SITUATIONS["2024"]["transformers_trainer"])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=[*SITUATIONS])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="+", default=(), help="modules, or environments")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args(arguments)
    if given.check:
        return check(given.sets, given.sample, given.seed)
    only = set(given.only)
    asked = [unit for unit in units() if not only or only & set(unit[:2])]
    due = {
        (environment, f"{module}.{name}") for environment, module, names in asked for name in names
    }
    places = [(e, f"{module}.{name}") for e, module, names in units() for name in names]
    kept = [r for r in recorded() if only and _name(r) in places and _name(r) not in due]
    rows = sorted([*kept, *run_all(asked)], key=lambda row: places.index(_name(row)))
    faults = [*known_wrong(rows), *controls(rows)]
    if not faults:
        write(rows)
    return told(faults, len(rows))


def check(sets: Sequence[str], sample: int | None, seed: str) -> int:
    """Run situations again, all or a sample, and name those that are left out."""
    asked, left = sampled(sets, sample, seed)
    rows = list(run_all(asked))
    faults = [*(known_wrong(rows) if "2024" in sets else ()), *controls(rows)]
    named = {(environment, case) for environment, case in map(_name, rows)}
    due = {(e, f"{m}.{name}") for e, m, names in asked for name in names}
    faults += changes([row for row in recorded() if _name(row) in due | named], rows)
    for environment, module, names in left:
        print(f"not run again: {module} in {environment}: {', '.join(names)}")
    return told(faults, len(rows))


def told(faults: Sequence[str], number: int) -> int:
    for fault in faults:
        print(f"field report: {fault}", file=sys.stderr)
    print(f"field report: {number} situations audited, {len(faults)} faults")
    return 1 if faults else 0


def units(tables: Iterable[dict[str, dict[str, tuple[str, ...]]]] = ()) -> list[Unit]:
    """Return what is run at once: of a file, what needs as many workers."""
    found = []
    for table in tables or (SITUATIONS, ON_WORKERS, RELEASES):
        for environment, files in table.items():
            for module, names in files.items():
                two = tuple(name for name in names if name.endswith("@2"))
                one = tuple(name for name in names if name not in two)
                found += [(environment, module, some) for some in (one, two) if some]
    return found


def sampled(sets: Sequence[str], sample: int | None, seed: str) -> tuple[list[Unit], list[Unit]]:
    """Return what is run in a check of these environments, and what is left out."""
    every = [unit for unit in units() if unit[0].partition("+")[0] in sets]
    here = [unit for unit in every if unit != KNOWN and laid(unit[0])]
    if sample is not None:  # releases that are laid over an environment are for a whole run
        here = [unit for unit in here if unit not in units([RELEASES])]
        here = random.Random(seed).sample(here, min(sample, len(here)))  # noqa: S311 - no secret
    asked = [unit for unit in every if unit in here or unit == KNOWN]
    return asked, [unit for unit in every if unit not in asked]


def recorded() -> list[Row]:
    return list(json.loads(REPORT.read_text(encoding="utf-8"))["rows"])


def run_all(asked: Iterable[Unit]) -> Iterator[Row]:
    for environment, module, names in asked:
        for row in run(environment, module, names):
            print(f"{row['package']} {row['version']} {row['case']}: {row['verdict']}", flush=True)
            yield row


def run(environment: str, module: str, names: Sequence[str]) -> list[Row]:
    two = names[0].endswith("@2")
    launch = torchrun(2) if two else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        asked = [name.removesuffix("@2") for name in names]
        found = subprocess.run(
            [python_of(environment), *launch, "-m", "field.one", str(out), module, *asked],
            env=variables_of(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=600,
            check=False,
        )
        if found.returncode:
            raise SystemExit(
                f"field report: {module} failed in {environment}\n{found.stderr[-4000:]}"
            )
        made = json.loads(out.read_text(encoding="utf-8"))
    number = {"workers": 1 + two} if module in ON_WORKERS.get(environment, {}) else {}
    return [
        {"environment": environment, **_short(row), "case": f"{row['case']}{'@2' * two}", **number}
        for row in made
    ]


def known_wrong(rows: Sequence[Row]) -> Iterator[str]:
    """The audit must find what transformers 4.45.2 is known for: each micro-batch weighs alike."""
    old = _row(rows, "2024", "transformers_trainer.unequal_tokens")
    told = old["version"] == "4.45.2" and old["verdict"] == "mean of means"
    if not told or not _near(old["weights"], [0.25] * 4) or _near(old["expected"], [0.25] * 4):
        yield f"transformers 4.45.2 must read as a mean of means, 1/4 each, not {old}"


def controls(rows: Sequence[Row]) -> Iterator[str]:
    """Loops written to be right must read as exact, or the audit cries wolf."""
    for row in rows:
        right = row["case"].partition(".")[2].partition("@")[0] in RIGHT
        if right and row["verdict"] != "exact":
            yield f"{row['case']} in {row['environment']} is right, but reads {row['verdict']}"


RIGHT = (
    *("variable_size", "sum_over_targets", "psum", "global_count", "bf16_sum_over_targets"),
    *(f"zero{stage}{where}_sum_over_targets" for stage in (1, 2) for where in ("", "_offload")),
)


# What is compared where the model writes its texts, which another processor may write otherwise.
DRAWN = "package", "version", "situation", "verdict"


def changes(old: Sequence[Row], new: Sequence[Row]) -> Iterator[str]:
    """Say what this run found that the committed report does not say."""
    before = {_name(row): row for row in old}
    after = {_name(row): row for row in new}
    for name in before.keys() ^ after.keys():
        yield f"{name} was {'not run' if name in before else 'not in the report'}"
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        held = DRAWN if name[1].startswith("trl_losses.grpo") else was
        if not all(_near(was[key], now[key]) for key in held):
            yield f"{name} changed from {was} to {now}: look why, then run make field"


def write(rows: Sequence[Row]) -> None:
    made = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "command": "make field",
    }
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    text = f'{{\n "made": {json.dumps(made)},\n "rows": [\n{lines}\n ]\n}}\n'
    REPORT.write_text(text, encoding="utf-8")


def _short(row: Row) -> Row:
    """What the page needs of a report, to digits that another processor would give too."""
    report = row["report"]
    terms = {term["term"]: term["verdict"] for term in report["terms"]}
    return {
        **{key: row[key] for key in ("package", "version", "case", "situation")},
        "verdict": report["title"],
        "factor": _rounded(report["factor"]),
        "counts": [part["count"] for part in report["parts"]],
        "weights": [_rounded(part["weight"]) for part in report["parts"]],
        "expected": [_rounded(part["expected"]) for part in report["parts"]],
        "error": _rounded(report["relative_error"]),
        **({"terms": terms} if terms else {}),
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
