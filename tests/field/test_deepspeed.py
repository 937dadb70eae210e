"""DeepSpeed at every ZeRO stage, in one process and in two."""

import importlib
import importlib.util

import pytest

from field.workers import Told, check_loops, said_of, told_by

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None,
    reason="DeepSpeed is among the newest frameworks only",
)


def work(number: int) -> dict[str, Told]:
    loops = importlib.import_module("field.loops_deepspeed")
    return said_of({**loops.LOOPS, **loops.APART} if number > 1 else loops.LOOPS)


@pytest.mark.parametrize("number", [1, 2])
def test_every_loop_reads_as_it_is(number: int) -> None:
    told = told_by(number, work)
    assert len(told[0]) >= 13
    check_loops(told)
