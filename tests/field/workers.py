"""How the workers of a test start, meet and end, and what they say."""

import json
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed import TCPStore

from field.loops import Loop
from gradexplain import Report

Told = dict[str, Any]
SCRIPTS = Path(__file__).parent / "scripts"
SLOW_TO_IMPORT = (
    "torch.distributed.fsdp",
    "torch.distributed.pipelining",
    "transformers.trainer",
    "lightning",
    "gradexplain.integrations.torch",
)


def start(work: Callable[..., None], *arguments: Any, number: int) -> None:
    """Call `work` in each of so many processes, with the process's rank before its arguments.

    They are forked from one that has imported what this one has: imports take most of a test.
    """
    multiprocessing.set_forkserver_preload([name for name in SLOW_TO_IMPORT if name in sys.modules])
    mp.start_processes(work, arguments, nprocs=number, start_method="forkserver")


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


def told_by(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what each of so many processes was told; `work` gets their number."""
    with tempfile.TemporaryDirectory() as folder:
        start(_tell, folder, number, work, number=number)
        files = [Path(folder, f"{rank}.json") for rank in range(number)]
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _tell(rank: int, folder: str, number: int, work: Callable[[int], Any]) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(number))
    meet(folder, rank, number)
    Path(folder, f"{rank}.json").write_text(json.dumps(work(number)), encoding="utf-8")
    leave()


def printed_by(number: int, script: Path, *arguments: str) -> str:
    """Run a script in each of so many processes; return what they print, in their order.

    They find what torchrun's would: its variables, and a store that another process keeps.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_RUN_ID": "none",
        "DS_ACCELERATOR": "cpu",  # not named, DeepSpeed guesses it, and prints the guess
    }
    with tempfile.TemporaryDirectory() as folder:
        start(_print, folder, str(script), arguments, given, number=number)
        return "".join(Path(folder, str(rank)).read_text("utf-8") for rank in range(number))


def _print(
    rank: int, folder: str, script: str, arguments: Sequence[str], given: Mapping[str, str]
) -> None:
    os.environ.update(given, RANK=str(rank), LOCAL_RANK=str(rank))
    sys.argv = [script, *arguments]
    with Path(folder, str(rank)).open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        runpy.run_path(script, run_name="__main__")
        sys.stdout.flush()


def two_workers(script: str) -> Any:
    """Run a script of ours in two processes; return what the first one prints last, as JSON."""
    printed = printed_by(2, SCRIPTS / script)
    return json.loads(printed[printed.index('{"') :])


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
