"""What this package's own two doors say of a version, without the other tools."""

from museum.exhibit import Stage
from museum.one import played_on
from museum.tools import Answer, _timed, audit, tap


def ask(name: str, *, right: bool, rank: int, workers: int) -> dict[str, Answer] | None:
    """Watch the step, and audit its gradients."""
    caught = played_on(Stage(rank=rank, workers=workers), name, right=right)
    watched = _timed(lambda: tap(name, right=right, rank=rank, workers=workers))
    return {"tap": watched, "audit": _timed(lambda: audit(caught))} if rank == 0 else None
