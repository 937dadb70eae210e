"""torch.distributed: each worker sketches what it holds, and one all-reduce gives the report.

A sketch is linear, so two kinds of spreading need no more than a sum. Where each worker holds one
part, data parallel, it fills that part's row and leaves the others zero. Where it holds a shard of
every gradient, it fills each row with its shard's sketch. What all workers hold is filled by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from gradexplain import Report, audit_accumulation, sketch
from gradexplain.audit import Sketch

Gradient = Mapping[str, Tensor]
SIZE = 4093


def audit_data_parallel(accumulated: Gradient, part: Gradient, count: int) -> Report:
    """Audit what the all-reduce of the gradients made; this worker's part is its own mean's."""
    rank, workers = dist.get_rank(), dist.get_world_size()
    mine = sketch(part, SIZE)
    rows, counts = np.zeros((workers + 1, SIZE)), np.zeros(workers)
    rows[rank], counts[rank] = mine.values, count
    if rank == 0:  # after the all-reduce, every worker holds the same A
        rows[-1] = sketch(accumulated, SIZE).values
    return _report(rows, counts, mine)


def audit_sharded(
    accumulated: Gradient,
    parts: Sequence[Gradient],
    counts: Sequence[int],
    offsets: Mapping[str, int],
) -> Report:
    """Audit shards; `offsets` says where this worker's begin in the flattened whole."""
    gradients = [*parts, accumulated]
    mine = [sketch(shard, SIZE, offsets=offsets) for shard in gradients]
    rows = np.stack([each.values for each in mine])
    own = np.array(counts) if dist.get_rank() == 0 else np.zeros(len(counts))
    return _report(rows, own, mine[0])


def _report(rows: np.ndarray, counts: np.ndarray, mine: Sketch) -> Report:
    table = torch.from_numpy(np.column_stack([rows, np.append(counts, 0.0)]))
    dist.all_reduce(table)  # the one message: sketches and counts of all workers, added up
    *parts, accumulated = (replace(mine, values=row) for row in table[:, :-1].numpy())
    return audit_accumulation(accumulated, parts, counts=table[:-1, -1].tolist())
