"""Which lines a backward pass comes from: those of one loop's micro-batches come from the same.

Terms of an objective may have passes of their own, each from other lines: labeled examples, then
those that the model has labeled itself. Without a tap, nothing else may tell the two apart.
"""

import contextlib
import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

_compiling = getattr(torch.compiler, "is_compiling", bool)  # older releases don't say
#: Calls, each by its code and its place in it, from the inside out.
Lines = tuple[tuple[object, int], ...]
#: Whose calls differ between micro-batches: a framework runs the last one inside the step.
_OTHERS = "site-packages", "dist-packages", str(Path(contextlib.__file__).parent)
_OWN = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Origin:
    """Where one backward pass comes from."""

    backward: Lines
    forwards: frozenset[Lines]  # of the models' passes since the pass before
    nodes: frozenset[str]  # above the losses, and how these are reduced


def lines() -> Lines:
    """Return the calls that lead here, but for those of packages."""
    if _compiling():
        return ()
    ours = (call for call in calls() if not _of_others(call.f_code.co_filename))
    return tuple((call.f_code, call.f_lasti) for call in ours)


def calls() -> Iterator[FrameType]:
    """Yield the calls that lead here, from the inside out."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect reads the source, too: slow
    while frame is not None:
        yield frame
        frame = frame.f_back


@functools.cache
def _of_others(file: str) -> bool:
    """Tell whether code is Python's, an installed package's or this one's."""
    return file.startswith(_OWN) or any(folder in file for folder in _OTHERS)


def apart(origins: Sequence[Origin], *, workers: int) -> bool:
    """Tell whether passes come from different lines, or make different use of their losses.

    With workers, the last of three or more may do so: it is the one that synchronizes them.
    """
    if len({one.nodes for one in origins}) > 1:
        return True
    if not all(one.forwards for one in origins) and len(_together(origins)) > 1:
        return True  # all forward passes ran first, and not from one place
    places = [(one.backward, one.forwards or _together(origins)) for one in origins]
    if workers > 1 and len(places) > 2:
        places.pop()
    return len(set(places)) > 1


def _together(origins: Sequence[Origin]) -> frozenset[Lines]:
    return frozenset().union(*(one.forwards for one in origins))
