"""Run the museum: every report in its environment, every tool on it; write or check the record.

    python tests/museum/run.py truth      # writes tests/museum/truth.json, before any tool is asked
    python tests/museum/run.py            # runs all; writes docs/practice/museum.json
    python tests/museum/run.py --check --sample 6 --seed $(git rev-parse HEAD)

Standard library only: it starts each environment's own Python.
"""

import argparse
import ast
import datetime as dt
import json
import math
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.overlaid import (  # noqa: E402 - found only now
    OVERLAYS,
    ROOT,
    python_of,
    variables_of,
)

TRUTH = Path(__file__).parent / "truth.json"
RECORD = ROOT / "docs" / "practice" / "museum.json"
OURS = "tap", "audit"
TOOLS = *OURS, "pytest-torch", "allclose", "cosine", "loss", "torch-preflight"
SCALED = "rescaled", "mean-of-means", "mean-of-group-means"
CLOSE = 0.02  # how near a factor must be to the true one to count as named
Job = tuple[str, bool]


def ask(question: str, jobs: Sequence[Job]) -> dict[str, Any]:
    """Ask one question about each version, each in the environment that it needs."""
    from museum.exhibit import about

    found: dict[str, Any] = {}
    environments = [about(name).environment(right=right) for name, right in jobs]
    for environment in dict.fromkeys(environments):
        mine = [job for job, needs in zip(jobs, environments, strict=True) if needs == environment]
        needed = f"{environment}+tools" if question in {"tools", "smallest"} else environment
        print(f"museum: {question}, {len(mine)} versions in {needed}", file=sys.stderr)
        found |= started(needed, question, mine)
    return dict(sorted(found.items()))


def started(environment: str, question: str, jobs: Sequence[Any]) -> dict[str, Any]:
    """Start an environment's Python with its overlays, and return what it found."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "jobs.json"), Path(folder, "out.json")
        given.write_text(json.dumps(jobs), encoding="utf-8")
        subprocess.run(
            [python_of(environment), "-m", "museum.one", question, given, out],
            env={**variables_of(environment), "KERAS_BACKEND": "torch"},
            stdout=sys.stderr,
            timeout=1200,
            check=True,
        )
        return dict(json.loads(out.read_text(encoding="utf-8")))


def every() -> list[Job]:
    """Return both versions of every exhibit."""
    from museum.exhibit import names

    return [(name, right) for name in names() for right in (False, True)]


def write_truth(only: Iterable[str]) -> None:
    """Write the truth of all exhibits, or of those named, beside what is there."""
    chosen = set(only)
    known = json.loads(TRUTH.read_text(encoding="utf-8")) if TRUTH.exists() else {}
    found = ask("truth", [job for job in every() if not chosen or job[0] in chosen])
    for key, value in found.items():
        if "failed" in value:
            print(f"museum: {key}: {value['failed']}\n{value['trace']}", file=sys.stderr)
    known |= {key: value for key, value in found.items() if "failed" not in value}
    lines = [f"{json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known)]
    TRUTH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def record() -> dict[str, Any]:
    """Run everything; return the record."""
    from museum.controls import CONTROLS

    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    jobs = [*every(), *((name, True) for name in CONTROLS)]
    answers = ask("tools", jobs)
    raw = OVERLAYS / "answers.json"  # all that was said, for whoever wants to know more
    raw.parent.mkdir(exist_ok=True)
    raw.write_text(json.dumps(answers, indent=1), encoding="utf-8")
    flagged = preflight([name for name, _ in every()])
    bugs = [bug(name, truth, answers, flagged) for name in dict.fromkeys(n for n, _ in every())]
    controls = [{"name": name, **_short(answers[f"{name}, after"])} for name in CONTROLS]
    return {
        "made": {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}, two cores",
            "command": "make museum",
        },
        "comparison": comparison(bugs, controls, answers),
        "smallest": ask("smallest", [("nanochat_sft", True)])["nanochat_sft, after"],
        "bugs": bugs,
        "controls": controls,
    }


def bug(name: str, truth: Any, answers: Any, flagged: Any) -> dict[str, Any]:
    """Return what the record holds of a bug."""
    from museum.exhibit import about

    known = about(name)
    shown = {key: value for key, value in asdict(known).items() if value or key == "kind"}
    row: dict[str, Any] = {"name": name, **shown}
    for right in (False, True):
        side = "after" if right else "before"
        key = f"{name}, {side}"
        found = _short(answers[key])
        found["torch-preflight"] = (
            {"ok": None, "not for": "the loop is the framework's own"}
            if known.real
            else {"ok": key not in flagged, **({"says": flagged[key]} if key in flagged else {})}
        )
        if not right:
            for tool, answer in found.items():
                answer["named"] = named(tool, answer, known)
        row[side] = {"truth": truth.get(key), **found}
    return row


def named(tool: str, answer: Any, known: Any) -> bool:
    """Tell whether a tool says what is wrong: the class, its term, and its factor."""
    if answer.get("ok") is not False:
        return False
    scaled = known.kind in SCALED and known.factor is not None
    if tool in OURS:
        verdict = answer["verdict"] == known.kind
        factor = not scaled or math.isclose(answer["factor"], known.factor, rel_tol=CLOSE)
        term = not known.term or answer["terms"].get(known.term, [""])[0] == known.kind
        return bool(verdict and factor and term)
    if tool == "pytest-torch":
        cause = answer.get("cause", False) and not known.term
        return bool(cause and (known.kind == "rescaled" or "still there" in answer["says"]))
    if tool == "torch-preflight":
        return bool(scaled and known.factor == 4 and not known.term)
    return False


def comparison(bugs: Any, controls: Any, answers: Any) -> dict[str, Any]:
    """Return a row for each tool, and one for our two together."""
    table = {}
    for tool in (*TOOLS, "tap and audit"):
        own = OURS if tool == "tap and audit" else (tool,)
        rows = [[bug["before"][t] for t in own if t in bug["before"]] for bug in bugs]
        right = [[bug["after"][t] for t in own if t in bug["after"]] for bug in bugs]
        right += [[control[t] for t in own if t in control] for control in controls]
        times = [
            a[t]["seconds"] for a in answers.values() for t in own if "seconds" in a.get(t, {})
        ]
        table[tool] = {
            "bugs": sum(any("not for" not in one for one in row) for row in rows),
            "detected": sum(any(one["ok"] is False for one in row) for row in rows),
            "named": sum(any(one["named"] for one in row) for row in rows),
            "right loops": sum(any("not for" not in one for one in row) for row in right),
            "false alarms": sum(any(one["ok"] is False for one in row) for row in right),
            "open": sum(
                not any(one["ok"] is False for one in row)
                and any(one["ok"] is None and "not for" not in one for one in row)
                for row in right
            ),
            "seconds": round(sum(times) / len(times), 2) if times else None,
        }
    return table


def preflight(names: Sequence[str]) -> dict[str, str]:
    """Let torch-preflight read each reduction's loops; return what it flags."""
    from museum.exhibit import BUGS, about

    environment = "now+tools"
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if about(name).real:
                continue
            source = (BUGS / f"{name}.py").read_text(encoding="utf-8")
            for side in ("before", "after"):
                Path(folder, f"{name}__{side}.py").write_text(_loop(source, side), encoding="utf-8")
        run = subprocess.run(
            [
                python_of(environment),
                "-m",
                "torch_preflight",
                "check",
                folder,
                "--select",
                "TG014",
                "--format",
                "json",
            ],
            env=variables_of(environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    found = json.loads(run.stdout)
    flagged = {}
    for one in found["diagnostics"]:
        name, _, side = Path(one["path"]).stem.partition("__")
        flagged[f"{name}, {side}"] = one["message"]
    return flagged


def _loop(source: str, side: str) -> str:
    """Return a module's source without its other version."""
    tree = ast.parse(source)
    other = "after" if side == "before" else "before"
    kept = [
        node
        for node in tree.body
        if getattr(node, "name", "") != other
        and not (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ABOUT")
    ]
    return ast.unparse(ast.Module(kept, []))


def _short(answer: Any) -> dict[str, Any]:
    """Return what the record keeps of the answers: nothing that another run would change."""
    if "failed" in answer:
        raise SystemExit(f"museum: {answer['failed']}\n{answer['trace']}")
    kept = "ok", "verdict", "factor", "weights", "terms", "says", "cause", "not for"
    return {
        tool: {
            key: _rounded(said[key])
            for key in kept
            if said.get(key) not in (None, {}) or key == "ok"
        }
        for tool, said in answer.items()
        if tool != "loop"
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") + 0.0  # no minus before a zero
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value


def write() -> int:
    """Write the record; report what is missed."""
    made = record()
    RECORD.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for line in summary(made):
        print(line)
    return 0


def summary(made: Any) -> Iterator[str]:
    """Say how each tool fared, and what ours miss."""
    for tool, row in made["comparison"].items():
        yield f"{tool}: {row}"
    for one in made["bugs"]:
        said = {tool: one["before"][tool] for tool in OURS}
        if not any(answer["named"] for answer in said.values()):
            yield f"not named: {one['name']} ({one['kind']}): " + "; ".join(
                f"{tool} {a.get('verdict')} × {a.get('factor')}" for tool, a in said.items()
            )
    for one in made["controls"]:
        yield from (f"alarm: {one['name']}: {t}: {one[t]}" for t in OURS if one[t]["ok"] is False)
    for one in made["bugs"]:
        yield from (
            f"alarm: {one['name']}: {t}: {one['after'][t]}"
            for t in OURS
            if one["after"][t]["ok"] is False
        )


def check(sample: int, seed: str) -> int:
    """Run some bugs and controls again, in the field's environments; fail where a verdict moved."""
    from museum.exhibit import about

    made = json.loads(RECORD.read_text(encoding="utf-8"))
    own = {"now", "2024"}
    bugs = [b for b in made["bugs"] if {about(b["name"]).before, about(b["name"]).after} <= own]
    drawn = random.Random(seed)  # noqa: S311 - a sample, no secret
    bugs = drawn.sample(bugs, min(sample, len(bugs)))
    controls = drawn.sample(made["controls"], min(sample, len(made["controls"])))
    jobs = [(b["name"], right) for b in bugs for right in (False, True)]
    answers = ask("ours", [*jobs, *((c["name"], True) for c in controls)])
    was = {f"{b['name']}, {side}": b[side] for b in bugs for side in ("before", "after")}
    was |= {f"{c['name']}, after": c for c in controls}
    moved = [
        f"{key}: {tool} was {was[key][tool]}, is {now[tool]}"
        for key, found in answers.items()
        for now in [_short(found)]
        for tool in OURS
        if any(was[key][tool].get(k) != now[tool].get(k) for k in ("ok", "verdict"))
    ]
    for fault in moved:
        print(f"museum: {fault}", file=sys.stderr)
    print(f"museum: {len(bugs)} bugs and {len(controls)} controls checked, {len(moved)} moved")
    return 1 if moved else 0


def main(arguments: Sequence[str]) -> int:
    """Write the truth, or the record, or check a sample of it."""
    if arguments[:1] == ["truth"]:
        write_truth(arguments[1:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sample", type=int, default=6)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args(arguments)
    return check(given.sample, given.seed) if given.check else write()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
