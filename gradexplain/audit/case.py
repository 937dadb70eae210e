"""What a verdict rests on, and what it is made of."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from gradexplain.audit.gram import Vector
from gradexplain.audit.weights import Reading


class Verdict(Enum):
    """All that an audit can say."""

    EXACT = "exact"
    RESCALED = "rescaled"
    MEAN_OF_MEANS = "mean of means"
    MEAN_OF_GROUP_MEANS = "mean of means across groups"
    DROPPED = "dropped"
    REWEIGHTED = "reweighted"
    UNEVEN = "uneven across parameters"
    EXTRA_TERM = "an extra term"
    COUNTS_DIFFER = "counts are not the loss's"
    NOT_A_MEAN = "not a mean"
    NOT_REPRODUCIBLE = "not reproducible"
    UNEXPLAINED = "unexplained"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, eq=False)
class Known:
    """What the user knows about the parts, and whether gradients or sketches of them are seen."""

    counts: Vector | None
    groups: tuple[object, ...] | None
    sketched: int | None  # numbers in the gradients, where only sketches of them are seen


@dataclass(frozen=True, eq=False)
class Case:
    """One accumulated gradient A, or one parameter of it, with all that it is compared with."""

    accumulated: Reading
    right: Vector  # the weights that A should give, from the counts or from F
    slack: Vector  # how far these may be off
    spread: int  # numbers that are not zero in every part
    roomy: bool  # whether enough of them are left over to tell a fit from a coincidence
    known: Known
    full: Reading | None = None
    distance: float = 0.0  # ‖A − F‖, or from A to the right mean where there is no F
    moved: float = 0.0  # ‖the first part, computed again, minus itself‖
    extras: tuple[str, ...] = ()
    extended: Reading | None = None  # A by the parts and the extra columns
    relative_error: float | None = None  # the distance over the length of that
    angle: float | None = None  # between A and right, in degrees
    parameters: tuple[tuple[str, "Case"], ...] = ()

    def same(self, one: Vector, other: Vector) -> bool:
        """Tell whether two weightings are one, as closely as the right one is known."""
        return bool(np.all(np.abs(one - other) <= self.slack))


@dataclass(frozen=True)
class Finding:
    """A verdict, and in words what was found."""

    verdict: Verdict
    says: str
    factor: float = 1.0
    to_do: str = ""  # instead of the verdict's usual advice
    notes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()  # what each reads, where they differ
    telling: bool = True  # whether A is known to be right or wrong


def places(indices: list[int] | npt.NDArray[np.intp]) -> str:
    """Name parts by their places: "parts[2]", "parts[0] and parts[3]", "parts[0], … (9 parts)"."""
    names = [f"parts[{int(k)}]" for k in indices]
    if len(names) > 4:
        return f"{names[0]}, …, {names[-1]} ({len(names)} parts)"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def digits(value: float) -> str:
    """Write a number to four digits, with a true minus sign; one that is almost one, to nine.

    >>> digits(-1234.5), digits(1.00012)
    ('−1234', '1.00012')
    """
    short = f"{value:.4g}"
    return (f"{value:.9g}" if short == "1" else short).replace("-", "−")
