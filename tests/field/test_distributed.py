"""The audit of gradients spread over workers is the audit of the whole."""

import functools
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.distributed as dist

from field.cases import torch_ddp
from field.examples.torch_workers import audit_data_parallel, audit_sharded
from field.tiny import gradient_of, language_model, mean_loss, parts_of, targets_in, token_batches
from field.workers import told_by
from gradexplain import audit_accumulation

LENGTHS = (40, 6)
WORKERS = 2


def column(report: dict[str, Any], name: str) -> list[float]:
    """Return one fact of each part."""
    return [part[name] for part in report["parts"]]


def data_parallel(_: int) -> Any:
    model, batch = language_model(), token_batches(LENGTHS)[dist.get_rank()]
    part = gradient_of(model, functools.partial(mean_loss, model, batch))
    accumulated = {name: gradient.clone() for name, gradient in part.items()}
    for gradient in accumulated.values():
        dist.all_reduce(gradient)
        gradient.div_(WORKERS)
    return audit_data_parallel(accumulated, part, targets_in(batch)).to_dict()


def sharded(_: int) -> Any:
    rank, model, batches = dist.get_rank(), language_model(), token_batches()
    parts = parts_of(model, batches, mean_loss)
    accumulated = {name: sum(part[name] for part in parts) / 4 for name in parts[0]}
    starts = {name: rank * (whole.numel() // 2) for name, whole in accumulated.items()}

    def shard(gradient: Any) -> dict[str, torch.Tensor]:
        halves = {name: whole.flatten() for name, whole in gradient.items()}
        return {
            name: flat[starts[name] :] if rank else flat[: len(flat) // 2]
            for name, flat in halves.items()
        }

    counts = [targets_in(batch) for batch in batches]
    shards = [shard(part) for part in parts]
    return audit_sharded(shard(accumulated), shards, counts, starts).to_dict()


def test_data_parallel_workers_read_as_a_mean_of_means() -> None:
    first, second = told_by(WORKERS, data_parallel)
    whole = torch_ddp.unequal_tokens()
    report = audit_accumulation(whole.accumulated, whole.parts, counts=whole.counts)
    assert first == second
    assert first["verdict"] == report.verdict.value == "mean-of-means"
    assert column(first, "weight") == pytest.approx(report.weights, abs=1e-5)
    assert column(first, "expected") == pytest.approx(report.expected)


def test_shards_read_as_the_whole() -> None:
    first, second = told_by(WORKERS, sharded)
    assert first == second
    assert first["verdict"] == "mean-of-means"
    assert column(first, "weight") == pytest.approx([0.25] * 4, abs=1e-6)


def test_jax_shards_read_as_the_whole() -> None:
    """In a process of its own: JAX reads the number of devices once, as it starts."""
    found = subprocess.run(
        [sys.executable, "-m", "field.examples.run_jax_shards"],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    sketched, whole = json.loads(found.stdout)
    assert sketched["head"].endswith("sketched")
    assert not whole["head"].endswith("sketched")
    assert sketched["verdict"] == whole["verdict"] == "mean-of-means"
    assert column(sketched, "weight") == pytest.approx(column(whole, "weight"), abs=1e-6)
