"""The field's environments by name: `now`, `2024`, or `now+trl-1.9.0`, a release laid over one.

They are beside the sources, or in the folder that the variable FIELD_ENVIRONMENTS names; what is
laid over them is in `.museum/`.
"""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("FIELD_ENVIRONMENTS", ROOT))
OVERLAYS = ROOT / ".museum"


def python_of(environment: str) -> str:
    """Return an environment's Python."""
    base = environment.partition("+")[0]
    return str(ENVIRONMENTS / f".venv-field-{base}" / "bin" / "python")


def variables_of(environment: str) -> dict[str, str]:
    """Return the variables that its processes get: where our tests and its overlays are."""
    overlays = environment.split("+")[1:]
    places = [ROOT, ROOT / "tests", *(OVERLAYS / name for name in overlays)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONWARNINGS": "ignore",  # the frameworks' own deprecations are theirs to fix
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def laid(environment: str) -> bool:
    """Tell whether the releases that an environment is overlaid with are at hand."""
    return all((OVERLAYS / name / "ready").exists() for name in environment.split("+")[1:])
