"""What every worker saw, brought to the first one, and its report brought to all."""

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = timedelta(seconds=60)
_meetings = 0  # how often the workers have met; each runs the same lines, so all count alike


def workers() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this one is."""
    return dist.get_rank() if workers() > 1 else 0


def peers_of(replicas: Any) -> tuple[int, ...]:  # noqa: ANN401 - a number, or a process group
    """Return the ranks that work on the same micro-batches as this one, itself among them.

    Raises:
        TypeError: it is neither a number nor a process group.
        ValueError: it does not divide the number of ranks.
    """
    if dist.is_available() and isinstance(replicas, dist.ProcessGroup):
        return tuple(dist.get_process_group_ranks(replicas))
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        kind = type(replicas).__name__
        raise TypeError(f"replicas must be a number or a process group, not {kind}")
    if replicas < 1 or workers() % replicas:
        raise ValueError(
            f"replicas must be at least 1 and divide the number of ranks, {workers()}, "
            f"not {replicas}"
        )
    first = rank() - rank() % replicas
    return tuple(range(first, first + replicas))


def together(own: Callable[[], T], judge: Callable[[list[T]], R]) -> R:
    """Return what `judge` makes of what every worker has, the same on each of them.

    What they say travels by the store through which they met, so any backend will do.

    Raises:
        RuntimeError: a worker did not come, or raised an error.
        Exception: this worker raised it.
    """
    if workers() == 1:
        return judge([own()])
    global _meetings  # noqa: PLW0603 - one count for the process, as the store is one
    _meetings += 1
    said, error = _attempt(own)
    _put(f"from {rank()}", said)
    if rank() == 0:
        verdict, failed = _attempt(lambda: judge(_all_of_them()))
        error = error or failed
        _put("verdict", verdict)
    found, problem = _get("verdict", 0, 2 * PATIENCE)
    # With a verdict here, all have come from the meeting before, whose words nobody needs now.
    _forget(f"from {rank()}")
    if error is not None and not isinstance(error, _OthersError):
        raise error
    if problem is not None:
        raise RuntimeError(problem)
    return found


def _attempt(call: Callable[[], T]) -> tuple[tuple[T | None, str | None], Exception | None]:
    """Return what a function returns, or its error in words for the others."""
    try:
        return (call(), None), None
    except Exception as error:  # noqa: BLE001 - the others must learn of any error
        shown = str(error) if isinstance(error, _OthersError) else _quoted(error)
        return (None, shown), error


def _quoted(error: Exception) -> str:
    return f"worker {rank()} raised {type(error).__name__}: {error}"


class _OthersError(RuntimeError):
    """Another worker did not come, or raised an error."""


def _all_of_them() -> list[T]:
    found: list[T] = []
    for worker in range(workers()):
        value, problem = _get(f"from {worker}", worker, PATIENCE)
        if problem is not None:
            raise _OthersError(problem)
        found.append(value)
    return found


def _put(name: str, value: object) -> None:
    _store().set(f"gradexplain/{_meetings}/{name}", pickle.dumps(value))


def _get(name: str, worker: int, patience: timedelta) -> tuple[Any, str | None]:
    place = f"gradexplain/{_meetings}/{name}"
    try:
        _store().wait([place], patience)
    except RuntimeError:  # which error it is depends on the store
        return None, (
            f"report needs every worker, but worker {worker} did not come to it within "
            f"{PATIENCE.total_seconds():.0f} s"
        )
    return pickle.loads(_store().get(place))  # noqa: S301 - our own words


def _forget(name: str) -> None:
    for old in (name, "verdict") if rank() == 0 else (name,):
        _store().delete_key(f"gradexplain/{_meetings - 1}/{old}")


def _store() -> dist.Store:
    return dist.distributed_c10d._get_default_store()  # noqa: SLF001 - nothing public names it
