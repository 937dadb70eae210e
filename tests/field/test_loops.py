"""Real loops: the right version is exact, the wrong one is named, in each framework set."""

import pytest

from field import loops, loops_hostile, loops_kinds, loops_optimizers, loops_workers
from field.loops import Loop
from field.workers import told_by
from gradexplain import Report

KINDS = loops, loops_kinds, loops_optimizers, loops_hostile
LOOPS: dict[str, Loop] = {name: loop for kind in KINDS for name, loop in kind.LOOPS.items()}


def said(report: Report) -> str:
    return " ".join(str(report).split())


@pytest.mark.parametrize("name", LOOPS)
def test_the_right_loop_is_exact(name: str) -> None:
    report = LOOPS[name].run(right=True)
    assert report.ok is True, report
    assert max(map(len, str(report).splitlines())) <= 76


@pytest.mark.parametrize("name", LOOPS)
def test_the_wrong_loop_is_named(name: str) -> None:
    loop = LOOPS[name]
    report = loop.run(right=False)
    assert report.verdict.value == loop.verdict, report
    assert report.ok is not True
    assert loop.words in said(report)
    assert max(map(len, str(report).splitlines())) <= 76


def spread() -> list[dict[str, tuple[dict[str, object], str]]]:
    """Run all loops of two workers; return what each worker was told, as data and as text."""
    return told_by(loops_workers.WORKERS, _loops)


def _loops(_: int) -> dict[str, tuple[dict[str, object], str]]:
    found = {}
    for name, loop in loops_workers.LOOPS.items():
        for right in (True, False):
            report = loop.run(right=right)
            found[f"{name}, {'right' if right else 'wrong'}"] = report.to_dict(), said(report)
    return found


def test_loops_on_workers_read_as_they_are() -> None:
    first, second = spread()
    assert [data for data, _ in first.values()] == [data for data, _ in second.values()]
    assert all("worker 0 prints" in text for _, text in second.values())
    for name, loop in loops_workers.LOOPS.items():
        right, _ = first[f"{name}, right"]
        wrong, text = first[f"{name}, wrong"]
        assert right["ok"] is True, (name, right)
        assert wrong["ok"] is False, (name, wrong)
        assert wrong["verdict"] == loop.verdict, (name, text)
        assert loop.words in text, (name, text)
