"""How the worker processes of the distributed cases meet, and how they end."""

import os
from pathlib import Path

import torch.distributed as dist


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
