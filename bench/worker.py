"""One process that does works when it is asked: a JSON request a line, a JSON answer a line.

python -m bench.worker MODULE CORES
"""

import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
import tracemalloc
from typing import Any

import numpy as np

from bench.cases import Case
from bench.compare import faults

TURN = 0.03  # seconds: what is shorter runs several times in its turn


def main(module: str, cores: str) -> None:
    # Before JAX or PyTorch is imported: they count the cores to share their work among them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to the error stream
    worker = Worker(module)
    for request in sys.stdin:
        asked = json.loads(request)
        print(json.dumps(getattr(worker, asked.pop("do"))(**asked)), file=answers, flush=True)


class Worker:
    def __init__(self, module: str) -> None:
        self.module = importlib.import_module(f"bench.{module}")
        self.ready: dict[str, tuple[Any, int]] = {}

    def versions(self) -> dict[str, str]:
        return {name: importlib.metadata.version(name) for name in self.module.PACKAGES}

    def prepare(
        self, key: str, function: str, case: dict[str, Any], write: str = "", check: str = ""
    ) -> list[str]:
        """Do the work twice, once to compile; write its result, or say how it differs from one."""
        run = getattr(self.module, function)(Case(**case))
        found, said = run(), []
        if write:
            np.savez(write, *self.module.arrays(found))
        if check:
            with np.load(check) as wanted:
                said = faults(self.module.arrays(found), list(wanted.values()))
        del found
        self.ready[key] = run, 1
        self.ready[key] = run, math.ceil(TURN / self.time(key))
        return said

    def time(self, key: str) -> float:
        """Return the seconds of the quickest run of a turn; each result is thrown away at once."""
        run, number = self.ready[key]
        seconds = []
        for _ in range(number):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    def memory(self, key: str) -> int:
        """Return the most bytes that one run holds beside what it is given."""
        run, _ = self.ready[key]
        tracemalloc.start()  # NumPy tells it of every array
        before, _ = tracemalloc.get_traced_memory()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak - before

    def forget(self) -> bool:
        self.ready.clear()
        return True


if __name__ == "__main__":
    main(*sys.argv[1:])
