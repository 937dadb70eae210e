"""Two workers under torchrun: a right loop with DDP."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from gradexplain.integrations.torch import watch

dist.init_process_group("gloo")
rank, workers = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(4 + 5 * rank, 3)
total = torch.tensor(len(x))
dist.all_reduce(total)

with watch(model, optimizer) as step:
    loss = step.tap(model(x).square().mean(), targets=len(x))
    (loss * len(x) * workers / total).backward()
    optimizer.step()
report = step.report().check()
print(f"{rank} {report.verdict.value}, {str(report).splitlines()[0]}\n", end="", flush=True)
dist.barrier()
dist.destroy_process_group()
