"""A situation that a table of them holds: what is said of it on the page, and its run."""

from collections.abc import Callable
from dataclasses import dataclass

from gradexplain import Report


@dataclass(frozen=True)
class Situation:
    """What a step does, in the page's words, and the run that reports on it."""

    text: str
    run: Callable[[], Report]
