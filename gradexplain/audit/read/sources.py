"""All gradients of one audit, listed once, in the order of the rows of their inner products."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gradexplain.audit.given import PerWorker, Update, checked_factor, named
from gradexplain.audit.read.arithmetic import coarsest
from gradexplain.audit.read.sketches import Sketch
from gradexplain.audit.read.walk import copied


@dataclass(frozen=True, eq=False)
class Sources:
    """Gradients by label: first the parts, then A (one per worker), then what else was given."""

    gradients: dict[str, object]
    sizes: tuple[int, ...]  # how many parts each term of the loss has
    workers: int
    full: int | None  # rows
    again: int | None
    extra: tuple[int, ...]
    after: object = None  # the parameters after the step, where A is seen as an `Update`
    scale: float = 1.0  # what A is divided by
    sketched: int | None = None  # numbers in each gradient, where only sketches of them are seen
    dtype: str = "float64"  # the coarsest arithmetic that sketches stand for

    @property
    def parts(self) -> int:
        """How many parts there are, of all terms: the row of the first A."""
        return sum(self.sizes)

    @property
    def accumulated(self) -> slice:
        """The rows of A."""
        return slice(self.parts, self.parts + self.workers)

    @property
    def leader(self) -> str:
        """The label of A, which names the parameters."""
        return list(self.gradients)[self.parts]

    @property
    def extras(self) -> tuple[str, ...]:
        """The labels of the extra columns."""
        labels = list(self.gradients)
        return tuple(labels[row] for row in self.extra)


def sources(
    accumulated: object,
    parts: Mapping[str, Iterable[object]],
    *,
    scale: float = 1.0,
    full: object = None,
    again: object = None,
    extra: object = None,
) -> Sources:
    """List all gradients; where a generator makes the parts as it goes, copy all of them.

    Args:
        accumulated: A, a `PerWorker` of them, or an `Update`.
        parts: the parts of each term of the loss, by the name that errors give them.
        scale: what A is divided by.
        full: F, or None.
        again: the first part, computed again, or None.
        extra: further columns by name.

    Raises:
        TypeError: parts are not a sequence, or only some of the gradients are sketches.
        ValueError: there are no parts, or sketches of different kinds.
    """
    update = accumulated if isinstance(accumulated, Update) else None
    summed = _accumulated(accumulated)
    given = {"full": full, "again": again}
    others = {name: gradient for name, gradient in given.items() if gradient is not None}
    others |= {f"extra[{name!r}]": gradient for name, gradient in named("extra", extra).items()}
    fleeting = any(isinstance(each, Iterator) for each in parts.values())
    if fleeting:  # the next part may overwrite what was handed over before it
        summed, others = _copies(summed), _copies(others)
    listed = {name: _listed(name, each) for name, each in parts.items()}
    labelled = {f"{name}[{k}]": p for name, each in listed.items() for k, p in enumerate(each)}
    gradients = labelled | summed | others
    if update is not None:
        _check_whole(summed | {"accumulated.after": update.after} | labelled | others)
    rows = {label: row for row, label in enumerate(gradients)}
    dtype, sketched = _sketched(gradients)
    return Sources(
        gradients=gradients if sketched is None else _values(gradients),
        sizes=tuple(len(each) for each in listed.values()),
        workers=len(summed),
        full=rows.get("full"),
        again=rows.get("again"),
        extra=tuple(row for label, row in rows.items() if label.startswith("extra[")),
        after=None if update is None else update.after,
        scale=scale * (checked_factor("learning_rate", update.learning_rate) if update else 1.0),
        sketched=sketched,
        dtype=dtype,
    )


def _accumulated(given: object) -> dict[str, object]:
    """Return A by its label, or one A per worker."""
    if given is None:
        raise TypeError("accumulated must be a gradient, not None")
    if isinstance(given, Update):
        return {"accumulated.before": given.before}
    if not isinstance(given, PerWorker):
        return {"accumulated": given}
    if not isinstance(given.gradients, list | tuple):
        kind = type(given.gradients).__name__
        raise TypeError(f"accumulated must be PerWorker of a list of gradients, not of type {kind}")
    if not given.gradients:
        raise ValueError("accumulated must hold a gradient per worker, but PerWorker is empty")
    if any(isinstance(gradient, PerWorker | Update) for gradient in given.gradients):
        raise TypeError("accumulated must hold gradients per worker, not an Update or a PerWorker")
    return {f"accumulated[worker {w}]": gradient for w, gradient in enumerate(given.gradients)}


def _listed(name: str, parts: Iterable[object]) -> list[object]:
    if isinstance(parts, str | Path | Mapping | Sketch) or not isinstance(parts, Iterable):
        raise TypeError(f"{name} must be a sequence of gradients, not one {type(parts).__name__}")
    if isinstance(parts, Iterator):
        listed = [_copy(f"{name}[{k}]", part) for k, part in enumerate(parts)]
    else:
        listed = list(parts)
    if not listed:
        raise ValueError(f"{name} must hold at least one gradient, but it is empty")
    return listed


def _copies(gradients: dict[str, object]) -> dict[str, object]:
    return {label: _copy(label, gradient) for label, gradient in gradients.items()}


def _copy(label: str, gradient: object) -> object:
    return gradient if isinstance(gradient, Sketch) else copied(label, gradient)


def _check_whole(gradients: Mapping[str, object]) -> None:
    sketched = next((name for name, g in gradients.items() if isinstance(g, Sketch)), None)
    if sketched is not None:
        raise TypeError(
            f"{sketched} must be arrays, not a Sketch, where accumulated is an Update: "
            "sketches don't keep the rounding of parameters"
        )


def _sketched(gradients: Mapping[str, object]) -> tuple[str, int | None]:
    """Return the coarsest type and the most numbers that sketches stand for; None of gradients."""
    sketches = {name: g for name, g in gradients.items() if isinstance(g, Sketch)}
    if not sketches:
        return "float64", None
    whole = next((name for name in gradients if name not in sketches), None)
    if whole is not None:
        raise TypeError(f"{whole} must be a sketch too, as {next(iter(sketches))} is")
    first = next(iter(sketches.values()))
    for name, other in sketches.items():
        if other.kind != first.kind:
            raise ValueError(f"{name} must have {first.kind}, as the others have, not {other.kind}")
    dtype = coarsest(*(each.dtype for each in sketches.values()))
    return dtype, max(each.numbers for each in sketches.values())


def _values(gradients: Mapping[str, object]) -> dict[str, object]:
    return {label: g.values.copy() for label, g in gradients.items() if isinstance(g, Sketch)}
