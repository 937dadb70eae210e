"""The report: what an audit found, as data, as text, as HTML and as a figure."""

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradexplain.audit.case import Verdict, digits
from gradexplain.audit.text import table, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1  # of `to_dict`; raised when a key changes its meaning or goes


@dataclass(frozen=True)
class Report:
    """What `audit_accumulation` found. Printed, it is a table of at most 80 columns.

    Weights that cannot be told are None. `residual` is the share of A that no weights give, and
    `tolerance` how much of it rounding explains, both in units of the terms that were added up.
    """

    verdict: Verdict
    says: str
    implied: tuple[float | None, ...]
    right: tuple[float | None, ...]
    blur: tuple[float | None, ...]
    counts: tuple[float, ...] | None
    factor: float
    relative_error: float | None
    angle: float | None  # degrees between A and the right gradient
    residual: float
    tolerance: float
    why: str  # the tolerance
    to_do: str
    questions: tuple[str, ...]
    notes: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    code: int  # 0 exact, 1 wrong, 2 can't tell
    size: int
    sketched: bool

    @property
    def ratios(self) -> tuple[float | None, ...]:
        """Each implied weight over the right one: 0 within its blur of it, None if not known."""
        return tuple(map(_ratio, self.implied, self.right, self.blur))

    def __str__(self) -> str:
        """Return the report as text of at most 80 columns."""
        parts = f"{len(self.right)} part{'s' if len(self.right) > 1 else ''}"
        head = f"audit of {parts}, {self.size} numbers each{', sketched' if self.sketched else ''}"
        lines = [f"{self.verdict.value.upper()}: {head}", *wrapped(self.says), ""]
        counts = self.counts or (None,) * len(self.right)
        known = list(zip(counts, self.right, self.implied, self.ratios, strict=True))
        lines += [*table(known), *wrapped(self._measures()), ""]
        lines += [line for note in self.notes for line in wrapped(note, "note: ")]
        lines += [line for n, text in self.parameters[:12] for line in wrapped(text, f"{n}: ")]
        if len(self.parameters) > 12:
            lines.append(f"… and {len(self.parameters) - 12} more parameters")
        lines += wrapped(self.to_do, "do:   ")
        lines += [line for question in self.questions for line in wrapped(question, "ask:  ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def plot(self) -> "Figure":
        """Draw each implied weight over the right one; needs the extra `figures`."""
        from gradexplain.plotting import audit_report  # noqa: PLC0415 - an extra

        return audit_report(self.ratios, self.verdict.value)

    def to_dict(self) -> dict[str, object]:
        """Return all of it as JSON can hold it; `schema` says which keys there are.

        >>> import json
        >>> import numpy as np
        >>> from gradexplain import audit_accumulation
        >>> rng = np.random.default_rng(0)
        >>> parts = [rng.standard_normal(100) for _ in range(2)]
        >>> report = audit_accumulation((parts[0] + parts[1]) / 2, parts, counts=[10, 90])
        >>> found = json.loads(json.dumps(report.to_dict()))
        >>> found["schema"], found["verdict"]
        (1, 'mean of means')
        """
        plain = {name: value for name, value in vars(self).items() if name != "verdict"}
        return {"schema": SCHEMA, "verdict": self.verdict.value, **plain, "ratios": self.ratios}

    def _measures(self) -> str:
        error = "unknown" if self.relative_error is None else digits(self.relative_error)
        angle = "unknown" if self.angle is None else f"{digits(self.angle)}°"
        return (
            f"relative error {error}, angle {angle}; outside the parts' span "
            f"{digits(self.residual)}, tolerated {digits(self.tolerance)} ({self.why})"
        )


def _ratio(implied: float | None, right: float | None, blur: float | None) -> float | None:
    if implied is None or blur is None or not right:
        return None
    return 0.0 if abs(implied) <= blur else implied / right
