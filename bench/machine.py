"""What a ratio hangs on: the processor, its cores, the BLAS kernel, huge pages, releases."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def words() -> str:
    cores = len(os.sched_getaffinity(0))
    number = NUMBERS[cores] if cores < len(NUMBERS) else str(cores)
    virtual = "virtual " if "hypervisor" in _flags() else ""
    plural = "s" if cores > 1 else ""
    return f"{number} {virtual}core{plural}, {platform.system()} {platform.machine()}"


def processor() -> str:
    return _read_cpu("model name")


def blas() -> str:
    """Return the BLAS that NumPy was built with, as NumPy tells."""
    found = np.show_config(mode="dicts")
    assert found is not None
    built = found["Build Dependencies"]["blas"]
    return f"{built['name']} {built['version']}"


def kernel(variables: Mapping[str, str]) -> str:
    """Return the kernel that OpenBLAS chooses in this environment: asked, it tells as it loads."""
    said = subprocess.run(
        [sys.executable, "-c", "import numpy"],
        env={**variables, "OPENBLAS_VERBOSE": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stderr.strip().removeprefix("Core: ") or "unknown"


def huge_pages() -> str:
    """Return the kernel's mode: always, madvise (to those who ask) or never."""
    mode = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return mode.read_text().partition("[")[2].partition("]")[0] if mode.exists() else "unknown"


def room() -> int:
    """Return the bytes of memory that are to be had."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _flags() -> list[str]:
    return _read_cpu("flags").split()


def _read_cpu(name: str) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == name), "unknown")
