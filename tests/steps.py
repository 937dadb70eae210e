"""What the tests of files and of the command share: a step's arrays, written to a file."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from audits import COUNTS, RIGHT, Gradient, random_parts, weighted

PARTS = random_parts(dtype=np.float32)
Arrays = dict[str, npt.NDArray[Any]]


def step_of(weights: npt.ArrayLike = RIGHT, more: dict[str, Gradient] | None = None) -> Arrays:
    """Return a step's arrays by the names that the command knows."""
    named = {"accumulated": weighted(np.asarray(weights), PARTS), **(more or {})}
    named |= {f"parts/{k}": part for k, part in enumerate(PARTS)}
    step = {f"{at}/{name}": np.asarray(v) for at, g in named.items() for name, v in g.items()}
    return {**step, "counts": np.array(COUNTS)}


def write(path: Path, step: Arrays) -> str:
    if path.suffix == ".npz":
        np.savez(path, **step)  # type: ignore[arg-type]
    else:
        safetensors.numpy.save_file(step, path)
    return str(path)


both = pytest.mark.parametrize("name", ["step.npz", "step.safetensors"])
