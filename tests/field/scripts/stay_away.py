"""Two workers, one of which never comes to the report."""

import time
from datetime import timedelta

import torch.distributed as dist

from gradexplain.integrations import torch_workers

dist.init_process_group("gloo")
torch_workers.PATIENCE = timedelta(seconds=2)
if dist.get_rank() == 1:
    time.sleep(5)
else:
    try:
        torch_workers.together(lambda: 0, len)
    except RuntimeError as error:
        print(f"0 {type(error).__name__}: {error}", flush=True)
dist.barrier()
dist.destroy_process_group()
