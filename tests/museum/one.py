"""Run versions of exhibits in this environment, and write what was asked about each.

python -m museum.one truth JOBS.json OUT.json
"""

import importlib
import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from museum.exhibit import Played, Stage, about, play

Job = tuple[str, bool]  # an exhibit, and whether it is its right version


def main(arguments: Sequence[str]) -> None:
    asked, jobs, out = arguments
    done = answer(asked, [(name, right) for name, right in json.loads(Path(jobs).read_text())])
    Path(out).write_text(json.dumps(done, indent=1), encoding="utf-8")


def key(name: str, *, right: bool) -> str:
    """Name a version of an exhibit."""
    return f"{name}, {'after' if right else 'before'}"


def answer(asked: str, jobs: Sequence[Job]) -> dict[str, Any]:
    """Ask about each version; those with workers share two processes."""
    alone = [job for job in jobs if about(job[0]).workers == 1]
    shared = [job for job in jobs if about(job[0]).workers > 1]
    found = {key(name, right=right): _asked(asked, name, right, 0, 1) for name, right in alone}
    if shared:
        found |= _on_workers(asked, shared)
    return found


def _on_workers(asked: str, jobs: Sequence[Job]) -> dict[str, Any]:
    from field.workers import start

    with tempfile.TemporaryDirectory() as folder:
        start(_worker, folder, asked, list(jobs), number=2)
        return dict(json.loads(Path(folder, "found.json").read_text(encoding="utf-8")))


def _worker(rank: int, folder: str, asked: str, jobs: Sequence[Job]) -> None:
    from field.workers import leave, meet

    meet(folder, rank, 2)
    found = {key(name, right=right): _asked(asked, name, right, rank, 2) for name, right in jobs}
    if rank == 0:
        Path(folder, "found.json").write_text(json.dumps(found), encoding="utf-8")
    leave()


def _asked(asked: str, name: str, right: bool, rank: int, workers: int) -> Any:  # noqa: FBT001
    """Ask one question; a version that fails says how."""
    question: Callable[..., Any] = importlib.import_module(f"museum.{asked}").ask
    try:
        return question(name, right=right, rank=rank, workers=workers)
    except Exception as error:  # noqa: BLE001 - one that fails does not stop the others
        return {"failed": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}


def played_on(stage: Stage, name: str, *, right: bool) -> Played:
    """Run a version; on workers, gather what each optimizer got."""
    played = play(name, stage, right=right)
    if stage.workers > 1:
        import torch.distributed as dist

        everyone: list[Any] = [None] * stage.workers
        dist.all_gather_object(everyone, (played.handed[0], played.loss))
        played.handed = [handed for handed, _ in everyone]
        losses = [loss for _, loss in everyone if loss is not None]
        played.loss = sum(losses) / len(losses) if losses else None
    return played


if __name__ == "__main__":
    main(sys.argv[1:])
