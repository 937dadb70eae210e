"""Run the museum: every report in its environment, every tool on it; write or check the record.

    python tests/museum/run.py truth      # writes tests/museum/truth.json, before any tool is asked
    python tests/museum/run.py            # runs all; writes docs/practice/museum.json
    python tests/museum/run.py --check --sample 6 --seed $(git rev-parse HEAD)

Standard library only: it starts each environment's own Python.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]
TRUTH = Path(__file__).parent / "truth.json"
Job = tuple[str, bool]


def ask(question: str, jobs: Sequence[Job]) -> dict[str, Any]:
    """Ask one question about each version, each in the environment that it needs."""
    from museum.exhibit import about

    found: dict[str, Any] = {}
    environments = [about(name).environment(right=right) for name, right in jobs]
    for environment in dict.fromkeys(environments):
        mine = [job for job, needs in zip(jobs, environments, strict=True) if needs == environment]
        print(f"museum: {question}, {len(mine)} versions in {environment}", file=sys.stderr)
        found |= started(environment, question, mine)
    return dict(sorted(found.items()))


def started(environment: str, question: str, jobs: Sequence[Any]) -> dict[str, Any]:
    """Start an environment's Python with its overlays, and return what it found."""
    base, *overlays = environment.split("+")
    python = ROOT / f".venv-field-{base}" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "jobs.json"), Path(folder, "out.json")
        given.write_text(json.dumps(jobs), encoding="utf-8")
        subprocess.run(
            [python, "-m", "museum.one", question, given, out],
            env=_variables(overlays),
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


def _variables(overlays: Sequence[str]) -> dict[str, str]:
    places = [ROOT / ".museum" / name for name in overlays]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [ROOT, ROOT / "tests", *places])),
        "PYTHONWARNINGS": "ignore",  # the frameworks' own deprecations are theirs to fix
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["truth"]:
        write_truth(arguments[1:])
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
