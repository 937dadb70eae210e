"""Two workers, one of which raises an error where both report: both do."""

import torch.distributed as dist

from gradexplain.integrations.torch_workers import together

dist.init_process_group("gloo")
rank = dist.get_rank()


def seen() -> int:
    if rank == 1:
        raise ValueError("not today")
    return rank


try:
    together(seen, len)
except (RuntimeError, ValueError) as error:
    print(f"{rank} {type(error).__name__}: {error}\n", end="", flush=True)
assert together(lambda: rank, len) == 2  # the next meeting is one as any other
dist.barrier()
dist.destroy_process_group()
