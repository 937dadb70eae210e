"""What taps read in one step, on one worker, without any framework: plain arrays and names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradexplain.audit.tap.sketches import Sketches

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tapped:
    """One loss, and the gradient that arrived at it in each backward pass."""

    term: str
    read: Mapping[int, Array]  # by pass: a number, or one for each target
    unit: float  # of the loss's arithmetic
    count: float | None = None  # the targets that its mean, or sum, is over
    number: float | None = None  # of targets, where the count of a sum is that of their weights
    weight: float | None = None  # the total that its term is meant to have
    kept: npt.NDArray[np.bool_] | None = None  # the targets that count
    summed: bool = False
    saved: float | None = None  # the count that the loss itself uses, if it says so
    ignored: npt.NDArray[np.bool_] | None = None  # targets that the loss itself leaves out
    scaled: bool = False  # whether it was scaled before it was tapped
    times: float | None = None  # by what its mean was multiplied before, if the graph shows it
    halved: bool = False  # whether that is the half of half a squared error
    glance: tuple[float, ...] = ()  # at its targets, if the loss shows them
    doubt: str = ""  # what is unknown of a loss that was read without a tap: see `judged`
    shape: tuple[int, ...] = ()  # of the loss
    value: float = 0.0  # the loss, or the sum of the losses
    finite: bool = True

    def belies(self) -> bool:
        """Tell whether the loss uses another count than the one given; sums are rounded."""
        if not self.saved or self.count is None:  # over no targets, there is no mean to judge
            return False
        rounding = 0.0 if self.saved.is_integer() else 1e-3 * self.saved
        return abs(self.saved - self.count) > rounding

    def arrived(self, factors: Mapping[int, float]) -> Array | None:
        """Return what arrived over all passes that have a factor; None if nothing did."""
        found = [factors[one] * read for one, read in self.read.items() if one in factors]
        return np.asarray(np.sum(found, axis=0)) if found else None


@dataclass(frozen=True, eq=False)
class Stepped:
    """One optimizer's step: what the passes before it added, and what it was handed."""

    optimizer: str
    passes: tuple[int, ...]
    names: tuple[str, ...]  # its parameters
    sketches: Sketches | None  # without, the way to the optimizer was not watched
    clips: tuple[float, ...] = ()  # the factor of a clip seen after the last pass, by parameter
    cut: tuple[str, ...] = ()  # parameters whose gradients were clipped by value
    bounds: tuple[float, ...] = ()  # what that clip allowed, by parameter; infinity without one
    lengths: tuple[float, ...] = ()  # the norm that it saw
    left: Array | None = None  # the sketches of what it left, (T, m); 0 without a clip
    between: tuple[float, ...] = ()  # the factor of clips of everything after each pass
    scale: float = 1.0  # by which a loss scaler divided the gradients
    holders: tuple[int, ...] = ()  # workers whose shards make the whole; none if each has it
    obstacle: str = ""  # why the way to the optimizer was not watched


@dataclass(frozen=True, eq=False)
class Seen:
    """All that one worker saw."""

    taps: tuple[Tapped, ...]
    steps: tuple[Stepped, ...]
    untapped: Mapping[int, str]  # a parameter that a pass reached without passing a tap
    coupled: tuple[str, ...] = ()  # layers that couple the examples of a batch
    not_read: tuple[str, ...] = ()  # what could not be read, and why
    returned: int = 0  # losses left out, whose gradients `torch.autograd.grad` only returned
    replicas: tuple[int, ...] = ()  # the ranks that work on the same micro-batches; () for itself
    losses_on: int = 1  # how many of them have a loss
    apart: bool = False  # whether each tapped loss is known to be another micro-batch's
