"""Shards, pipelines and replicas: all loops in one spawn for each number of processes."""

from collections.abc import Callable
from typing import Any

import pytest
from torch.nn.parallel import DistributedDataParallel

from field import loops_replicas, loops_sharded, loops_workers
from field.loops import BATCHES, COUNTS, Loop, adam, tokens
from field.loops_replicas import in_parts, piped, share_of_all
from field.loops_workers import mine
from field.tiny import mean_loss, targets_in
from field.workers import Told, check_loops, said, said_of, told_by
from gradexplain import Report
from gradexplain.integrations.torch import watch

APART = {**loops_sharded.APART, **loops_replicas.LOOPS}
PIPELINES = {name: one for name, one in loops_replicas.LOOPS.items() if "pipeline" in name}
LOOPS: dict[int, dict[str, Loop]] = {
    1: {**loops_sharded.LOOPS, **PIPELINES},
    2: {**loops_sharded.LOOPS, **APART},
}


def trained(model: Any, *, same: bool = False, **options: Any) -> Report:
    """Train a model on this rank's own micro-batches, or on the same ones as all others."""
    optimizer, batches = adam(model), BATCHES if same else mine()
    with watch(model, optimizer, **options) as step:
        for batch in batches:
            n = targets_in(batch)
            (step.tap(mean_loss(model, batch), targets=n) * n / sum(COUNTS)).backward()
        optimizer.step()
    return step.report()


def own_data_called_the_same() -> Report:
    return trained(DistributedDataParallel(tokens()), replicas=2)


def the_same_data_on_both() -> Report:
    return trained(DistributedDataParallel(tokens(dropout=0.0)), same=True)


def tensor_parallel_and_not_said() -> Report:
    return trained(in_parts(tokens(dropout=0.0)), same=True)


def a_pipeline_and_not_said() -> Report:
    return piped(share_of_all, scaled=False, replicas=1)


def after_an_evaluation() -> Report:
    """FSDP leaves the outermost parameters gathered after a forward pass without a backward one."""
    model = loops_sharded.sharded()
    mean_loss(model, mine()[0])
    return loops_sharded.accumulated(model, divisor=loops_sharded.globally)


def path_not_asked_for() -> Report:
    model = loops_sharded.sharded()
    return loops_sharded.accumulated(model, divisor=loops_sharded.globally, path=False)


ODD: tuple[Callable[[], Report], ...] = (
    own_data_called_the_same,
    the_same_data_on_both,
    tensor_parallel_and_not_said,
    a_pipeline_and_not_said,
    after_an_evaluation,
    path_not_asked_for,
)


def work(number: int) -> dict[str, Told]:
    odd = {run.__name__: said(run) for run in ODD} if number > 1 else {}
    return {"loops": said_of(LOOPS[number]), "odd": odd}


@pytest.fixture(scope="module")
def told() -> list[dict[str, Told]]:
    return told_by(2, work)


def test_loops_of_one_process_read_as_they_are() -> None:
    told = told_by(1, work)
    assert len(told[0]["loops"]) == len(LOOPS[1])
    check_loops([each["loops"] for each in told])


def test_loops_of_two_processes_read_as_they_are(told: list[dict[str, Told]]) -> None:
    assert len(told[0]["loops"]) == len(LOOPS[2])
    check_loops([each["loops"] for each in told])


def four(_: int) -> dict[str, Told]:
    ddp, fsdp2 = loops_workers.LOOPS["the_number_of_batches"], loops_sharded.LOOPS["fsdp2"]
    return said_of({"ddp": ddp, "fsdp2": fsdp2})


def test_four_processes_read_as_two_do() -> None:
    told = told_by(4, four)
    assert [*told[0]] == ["ddp", "fsdp2"]
    check_loops(told)


def test_what_is_said_of_ranks_is_checked(told: list[dict[str, Told]]) -> None:
    for odd in (each["odd"] for each in told):
        error = odd["own_data_called_the_same"]["error"]
        assert "ranks with data of their own are not replicas" in error
        assert "replicas=2, not 1, if" in odd["tensor_parallel_and_not_said"]["error"]
        assert "if they hold one model together" in odd["a_pipeline_and_not_said"]["error"]
        assert odd["the_same_data_on_both"]["ok"] is True
    same = told[0]["odd"]["the_same_data_on_both"]["text"]
    assert "workers 0 and 1 are equal to the last digit" in same


def test_a_sharded_path_is_followed_or_said_not_to_be(told: list[dict[str, Told]]) -> None:
    odd = told[0]["odd"]
    assert odd["after_an_evaluation"]["ok"] is True
    plain = odd["path_not_asked_for"]
    assert plain["ok"] is True
    assert "(path=False): an average over 2 workers is assumed." in plain["text"]
