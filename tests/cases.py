"""Cases for the judge that no gradients were read for."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.case import Case, Evidence, Parts
from gradexplain.audit.judge.weights import Vector, directly_read


def evidence_of(hidden: npt.NDArray[np.bool_], **known: Any) -> Evidence:
    """Return what gradients show of a step in which nothing is odd, but for what is said."""
    plain: dict[str, Any] = {
        "outside": 0.0,
        "outer": 1.0,
        "share": 0.0,
        "plausible": (),
        "zero": False,
        "short": False,
        "rank": len(hidden),
        "spread": 1000,
        "enough": True,
        "stray": np.inf,
        "hidden": hidden,
        "hidden_fit": False,
    }
    return Evidence(**(plain | known))


def known_case(values: Vector, expected: Vector, **parts: Any) -> Case:
    """Return a case whose weights were read where the loss hands them out."""
    read = directly_read(values, 2.0**-24, np.zeros(len(values), bool))
    return Case(read, Parts(expected, 1e-9 * np.abs(expected), **parts))
