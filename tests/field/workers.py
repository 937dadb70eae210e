"""How the worker processes of the distributed cases meet, what they say, and how they end."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp

from field.loops import Loop
from gradexplain import Report

Told = dict[str, Any]


def meet(folder: str, rank: int, number: int) -> None:
    """Form a group of this many workers, by a file in a folder that all of them see."""
    place = Path(folder, "meet").as_uri()
    dist.init_process_group("gloo", place, rank=rank, world_size=number)


def leave() -> None:
    """Leave the group together, and then the process at once.

    Python's own ending would race with gloo's threads, which may abort a worker that has done all
    its work.
    """
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)


def met_already() -> bool:
    """Tell whether this process is in a group."""
    return dist.is_available() and dist.is_initialized()


def met(run: Callable[[], Report]) -> Callable[[], Report]:
    """Return the run in a group of workers: torchrun's, or of this process alone."""

    def meeting() -> Report:
        if not dist.is_initialized():
            rank, number = (
                int(os.environ.get(name, n)) for name, n in (("RANK", 0), ("WORLD_SIZE", 1))
            )
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(number))
            if number > 1:
                dist.init_process_group("gloo")
            else:
                meet(tempfile.mkdtemp(), 0, 1)
        return run()

    return meeting


def told_by(number: int, work: Callable[[int], Mapping[str, Told]]) -> list[dict[str, Told]]:
    """Return what each of so many processes was told; `work` gets their number."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_begin, args=(folder, number, work), nprocs=number)
        files = [Path(folder, f"{rank}.json") for rank in range(number)]
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _begin(rank: int, folder: str, number: int, work: Callable[[int], Mapping[str, Told]]) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(number))
    meet(folder, rank, number)
    Path(folder, f"{rank}.json").write_text(json.dumps(work(number)), encoding="utf-8")
    leave()


def said(run: Callable[[], Report]) -> Told:
    """Return what a report says, or its error."""
    try:
        report = run()
    except (ValueError, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": report.ok, "verdict": report.verdict, "text": " ".join(str(report).split())}


def said_of(loops: Mapping[str, Loop]) -> dict[str, Told]:
    """Return what is said of the right and of the wrong version of each loop."""
    found = {}
    for name, loop in loops.items():
        right, wrong = said(lambda: loop.run(right=True)), said(lambda: loop.run(right=False))  # noqa: B023 - called at once
        found[name] = {"right": right, "wrong": wrong, "due": loop.verdict, "words": loop.words}
    return found


def check_loops(everyone: Sequence[Mapping[str, Told]]) -> None:
    """Check that every right loop is exact, and every wrong one is named, on every rank alike."""
    for rank, told in enumerate(everyone):
        for name, loop in told.items():
            right, wrong = loop["right"], loop["wrong"]
            assert right.get("ok") is True, (name, right)
            assert wrong.get("ok") is False, (name, wrong)
            assert wrong["verdict"] == loop["due"], (name, wrong)
            assert loop["words"] in wrong["text"] or rank, (name, wrong)  # the first one prints
