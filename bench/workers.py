"""The worker processes, one for each peer, way of running it and number of cores."""

import json
import os
import subprocess
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.cases import Case

ROOT = Path(__file__).parents[1]
MODULES = {"ours": "ours", "jax": "with_jax", "torch": "with_torch"}
PYTHONS = {"ours": ".venv", "jax": ".venv-bench-jax", "torch": ".venv-bench-torch"}
# At their best: memory in huge pages, which NumPy asks for by itself.
HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
TUNED = {"jax": HUGE, "torch": {**HUGE, "THP_MEM_ALLOC_ENABLE": "1"}}
# As it comes: nothing that the caller's shell says to the libraries is handed on.
TUNING = ("GLIBC_", "GOMP_", "KMP_", "MKL_", "NPY_", "OMP_", "OPENBLAS_", "THP_", "XLA_")
PATIENCE = 300  # seconds that an answer may take


@dataclass(frozen=True)
class Place:
    """Where a work is done."""

    peer: str
    tuned: bool
    cores: int


class Workers:
    """Starts a worker when it is first asked, and ends all of them on leaving."""

    def __init__(self) -> None:
        self.running: dict[Place, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def ask(self, place: Place, do: str, case: Case | None = None, **given: str) -> Any:
        if place not in self.running:
            self.running[place] = _start(place)
        process = self.running[place]
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"do": do, **given, **({} if case is None else {"case": asdict(case)})}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        clock = threading.Timer(PATIENCE, process.kill)
        clock.start()
        answer = process.stdout.readline()
        clock.cancel()
        if not answer:
            raise SystemExit(f"bench: {place} gave no answer to {asked}; its errors stand above")
        return json.loads(answer)

    def forget(self) -> None:
        for place in self.running:
            self.ask(place, "forget")


def _start(place: Place) -> subprocess.Popen[str]:
    python, cores = ROOT / PYTHONS[place.peer] / "bin" / "python", str(place.cores)
    return subprocess.Popen(
        [python, "-m", "bench.worker", MODULES[place.peer], cores],
        cwd=ROOT,
        env=variables(place),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def variables(place: Place) -> dict[str, str]:
    """Return a worker's environment: tuned by what it says, and by nothing else."""
    cores = str(place.cores)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(TUNING)},
        **(TUNED[place.peer] if place.tuned else {}),
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), cores),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",  # the libraries' own deprecations are theirs to fix
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }
