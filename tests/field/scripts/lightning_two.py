"""Two workers under torchrun: Lightning with DDP, right and wrong; prints what was said."""

import json
import os
import sys

import torch.distributed as dist
from field.test_lightning import LENGTHS, fitted

rank = int(os.environ["RANK"])
own = [(LENGTHS[:4], LENGTHS[4:])[rank], (LENGTHS[2:6], LENGTHS[:4])[rank]]  # two steps
said = {}
for precision in ("32-true", "bf16-mixed"):
    for right in (True, False):
        found = fitted(
            own[0] + own[1], right=right, workers=2, precision=precision, every=1, strategy="ddp"
        )
        text = str(found)
        if rank == 0:
            said[f"{precision} {'right' if right else 'wrong'}"] = [
                {one.report.verdict.value: one.steps for one in found.alike},
                text.splitlines()[0],
                "Lightning divides each loss by 4 and the gradients are averaged over 2 workers."
                in " ".join(text.split()),
            ]
if rank == 0:
    json.dump(said, sys.stdout)
    sys.stdout.flush()
dist.barrier()
dist.destroy_process_group()
