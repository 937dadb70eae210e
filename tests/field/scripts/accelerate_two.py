"""Two workers under torchrun: accelerate, right and wrong; prints what was said."""

import json
import os
import sys

import torch.distributed as dist
from field.test_accelerate import LENGTHS, trained

rank = int(os.environ["RANK"])
own = (LENGTHS[:8], LENGTHS[2:6] + LENGTHS[:4])[rank]  # two steps
said = {}
for precision in ("no", "bf16"):
    for right in (True, False):
        found = trained(own, right=right, precision=precision)
        said[f"{precision} {'right' if right else 'wrong'}"] = [
            {one.report.verdict.value: one.steps for one in found.alike},
            str(found).splitlines()[0],
        ]
if rank == 0:
    json.dump(said, sys.stdout)
    sys.stdout.flush()
dist.barrier()
dist.destroy_process_group()
