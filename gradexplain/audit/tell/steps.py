"""What an audit found in many steps of a run: steps that read alike are reported together."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from gradexplain.audit.judge.case import Verdict
from gradexplain.audit.tell.report import Report
from gradexplain.audit.tell.sentences import titled
from gradexplain.audit.tell.text import wrapped
from gradexplain.audit.tell.words import TITLES

_SPANS = 6  # of steps to list; of more, the first ones
_NEAR = 0.1  # by how much the numbers of steps that read alike may differ: they follow the data
_DECIMAL = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Alike:
    """Steps in which the same was found, and the report of the first of them."""

    report: Report
    steps: tuple[int, ...]


@dataclass(repr=False)
class Steps:
    """What was found in the steps that were read. Steps are counted from 1.

    `ok` is False if any step is wrong, None if any cannot be determined or none was read, and True
    otherwise. What was found is kept once, with the steps it was found in.
    """

    alike: list[Alike] = field(default_factory=list)
    unread: dict[str, list[int]] = field(default_factory=dict)  # reasons, with the steps they hid

    def add(self, step: int, report: Report) -> None:
        """Add what was found in a step."""
        for k, one in enumerate(self.alike):
            if _alike(one.report, report):
                self.alike[k] = Alike(one.report, (*one.steps, step))
                return
        self.alike.append(Alike(report, (step,)))

    def is_new(self, step: int) -> bool:
        """Whether no step before this one read as it does."""
        return any(one.steps[0] == step for one in self.alike)

    def add_unread(self, step: int, reason: str) -> None:
        """Add a step that could not be read, and why; this decides nothing."""
        steps = self.unread.setdefault(reason, [])
        if step not in steps:
            steps.append(step)

    @property
    def count(self) -> int:
        """How many steps were read."""
        return sum(len(one.steps) for one in self.alike)

    @property
    def ok(self) -> bool | None:
        """Whether every step that was read averages as intended."""
        return self.worst.report.ok if self.alike else None

    @property
    def worst(self) -> Alike:
        """The steps to look at first: wrong ones, then undetermined ones, then the others.

        Raises:
            ValueError: no step was read.
        """
        if not self.alike:
            raise ValueError(f"steps must hold a report, but none was read{self._reasons()}")
        order = (False, None, True)
        return min(self.alike, key=lambda one: (order.index(one.report.ok), one.steps[0]))

    @property
    def verdict(self) -> Verdict:
        """The verdict of the steps to look at first."""
        return self.worst.report.verdict

    @property
    def summary(self) -> str:
        """The verdict of the worst steps, which they are, and what it rests on, in one line."""
        worst = self.worst
        title, read = TITLES[worst.report.verdict], f"{self.count} step{_s(self.count)} read"
        if len(worst.steps) == self.count:
            return f"{title} in all of {read}: {worst.report.claim}"
        return f"{title} in {_named(worst.steps)}, of {read}: {worst.report.claim}"

    def check(self) -> "Steps":
        """Return this if `ok` is True.

        Raises:
            AssertionError: it is not, with all that was found as its message.
        """
        __tracebackhide__ = True
        if self.ok is not True:
            raise AssertionError(str(self))
        return self

    def __bool__(self) -> NoReturn:
        """Refuse: it would be unclear what is asked.

        Raises:
            TypeError: always.
        """
        raise TypeError("Steps have no truth value: use steps.ok, which is True, False or None")

    def __repr__(self) -> str:
        """Return the summary."""
        return f"<Steps {self.summary if self.alike else 'none read'}>"

    def __str__(self) -> str:
        """Return what was found, and the report of the first step to look at."""
        if not self.alike:
            return f"NO STEP WAS READ{self._reasons()}"
        worst = self.worst
        if worst.report.quiet:
            return str(worst.report)
        title = TITLES[worst.report.verdict].upper()
        lines = wrapped(f"{title} in {_named(worst.steps)}, of {self.count} read")
        for one in self.alike:
            text = titled(one.report.verdict, one.report.claim)
            lines += wrapped(text, f"{_named(one.steps)}: ")
        for reason, steps in self.unread.items():
            lines += wrapped(f"not read: {reason}", f"{_named(steps)}: ")
        return "\n".join([*lines, "", f"Step {worst.steps[0]}:", str(worst.report)])

    def _reasons(self) -> str:
        return "".join(f": {_named(steps)}, {reason}" for reason, steps in self.unread.items())


def _alike(one: Report, other: Report) -> bool:
    """Tell whether two reports say the same, but for decimals that are near each other."""
    claims = one.claim, other.claim
    numbers = [[float(found) for found in _DECIMAL.findall(claim)] for claim in claims]
    return (
        one.verdict == other.verdict
        and _DECIMAL.split(claims[0]) == _DECIMAL.split(claims[1])
        and all(abs(a - b) <= _NEAR * abs(a) for a, b in zip(*numbers, strict=True))
    )


def _named(steps: Sequence[int]) -> str:
    """Name steps: "step 3", "steps 1 to 24, 26"; of many spans, the first and how many steps."""
    spans = list(_spans(steps))
    shown = [str(a) if a == b else f"{a} to {b}" for a, b in spans[:_SPANS]]
    rest = f", … ({len(steps)} steps)" if len(spans) > _SPANS else ""
    return f"step{_s(len(steps))} {', '.join(shown)}{rest}"


def _spans(steps: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield the first and the last of each run of steps that follow one another."""
    start = end = None
    for step in steps:
        if end is not None and step == end + 1:
            end = step
            continue
        if start is not None and end is not None:
            yield start, end
        start = end = step
    if start is not None and end is not None:
        yield start, end


def _s(number: int) -> str:
    return "" if number == 1 else "s"
