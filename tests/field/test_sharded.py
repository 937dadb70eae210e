"""Shards, pipelines and replicas: all loops in one spawn for each number of processes."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from field import loops_replicas, loops_sharded
from field.loops import BATCHES, COUNTS, Loop, adam, tokens
from field.loops_replicas import in_parts, piped, share_of_all
from field.loops_workers import mine
from field.tiny import mean_loss, targets_in
from field.workers import leave, meet
from gradexplain import Report
from gradexplain.integrations.torch import watch

Told = dict[str, Any]
APART = {**loops_sharded.APART, **loops_replicas.LOOPS}
LOOPS: dict[int, dict[str, Loop]] = {
    1: loops_sharded.LOOPS,
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


def said(run: Callable[[], Report]) -> Told:
    try:
        report = run()
    except (ValueError, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": report.ok, "verdict": report.verdict, "text": " ".join(str(report).split())}


def _begin(rank: int, folder: str, number: int) -> None:
    meet(folder, rank, number)
    found = {
        f"{name}, {'right' if right else 'wrong'}": said(lambda: loop.run(right=right))  # noqa: B023 - called at once
        for name, loop in LOOPS[number].items()
        for right in (True, False)
    }
    if number > 1:
        found |= {run.__name__: said(run) for run in ODD}
    Path(folder, f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    leave()


@pytest.fixture(scope="module", params=LOOPS)
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def told(number: int) -> list[dict[str, Told]]:
    """Return what each of so many processes was told of all loops."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_begin, args=(folder, number), nprocs=number)
        files = [Path(folder, f"{rank}.json") for rank in range(number)]
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def test_every_loop_reads_as_it_is(number: int, told: list[dict[str, Told]]) -> None:
    for name, loop in LOOPS[number].items():
        right, wrong = (told[0][f"{name}, {which}"] for which in ("right", "wrong"))
        assert right.get("ok") is True, (name, right)
        assert wrong.get("ok") is False, (name, wrong)
        assert wrong["verdict"] == loop.verdict, (name, wrong)
        assert loop.words in wrong["text"], (name, wrong)


def test_every_rank_is_told_the_same(told: list[dict[str, Told]]) -> None:
    verdicts = [{name: one.get("verdict") for name, one in each.items()} for each in told]
    assert all(one == verdicts[0] for one in verdicts)


def test_what_is_said_of_ranks_is_checked(number: int, told: list[dict[str, Told]]) -> None:
    if number == 1:
        return  # one rank has no others
    for each in told:
        assert (
            "ranks with data of their own are no replicas"
            in (each["own_data_called_the_same"]["error"])
        )
        assert "replicas=2, not 1, if" in each["tensor_parallel_and_not_said"]["error"]
        assert "if they hold one model together" in each["a_pipeline_and_not_said"]["error"]
    same = told[0]["the_same_data_on_both"]
    assert same["ok"] is True
    assert "workers 0 and 1 are equal, digit by digit" in same["text"]


def test_a_sharded_path_is_followed_or_said_not_to_be(
    number: int, told: list[dict[str, Told]]
) -> None:
    if number == 1:
        return
    assert told[0]["after_an_evaluation"]["ok"] is True
    plain = told[0]["path_not_asked_for"]
    assert plain["ok"] is True
    assert "(path=False): an average over 2 workers is assumed." in plain["text"]
