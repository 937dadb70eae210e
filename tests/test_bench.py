"""The bench: what is not equal is not timed, turns are taken, and a row says what was found."""

import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pages import ROOT

import gradexplain as gx
from bench import ours, worker
from bench.cases import NETWORKS, Array, Case, draw_batch, draw_gradients
from bench.compare import faults
from bench.machine import kernel, processor, room, words
from bench.record import growth_row, memory_row, row, text
from bench.run import RECORD, in_turns, longest, main
from bench.workers import TUNED, Place, variables
from bench.works import AGAINST, MEMORY, PLAIN, Against, Growth, growths

TINY = Case("T", "float64")
RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))


# What is compared is equal


def gradient(dtype: str = "float64") -> list[Array]:
    return ours.arrays(ours.batch_gradient(Case("T", dtype))())


def off(by: float) -> list[Array]:
    """Return a gradient with one number off by a part of its array's largest."""
    found = [array.copy() for array in gradient()]
    found[1].flat[3] += by * np.abs(found[1]).max()
    return found


def test_rounding_is_equal() -> None:
    assert faults(gradient(), gradient()) == []
    assert faults(off(1e-14), gradient()) == []


@pytest.mark.parametrize("by", [1e-3, -1e-3, 1e-12, 1e9])
def test_a_planted_wrong_gradient_is_noticed(by: float) -> None:
    (said,) = faults(off(by), gradient())
    assert said.startswith("array 1: off by ")


def test_nan_is_not_equal_to_anything() -> None:
    (said,) = faults(off(float("nan")), gradient())
    assert said.startswith("array 1: off by nan, where ")
    assert len(faults(gradient(), off(float("nan")))) == 1


def test_another_shape_dtype_or_number_of_arrays_is_noticed() -> None:
    found = gradient()
    assert faults(found[1:], found) == ["5 arrays, not 6"]
    turned = [found[0].T, *found[1:]]
    assert faults(turned, found) == ["array 0: float64 (3, 5), not float64 (5, 3)"]
    assert len(faults(gradient("float32"), found)) == 6


def test_a_worker_says_what_is_wrong_with_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, result, case = worker.Worker("ours"), str(tmp_path / "result.npz"), vars(TINY)
    assert at_work.prepare("a", "batch_gradient", case, write=result) == []
    assert at_work.prepare("b", "batch_gradient", case, check=result) == []
    wrong = off(1e-3)
    monkeypatch.setattr(ours, "arrays", lambda _: wrong)
    (said,) = at_work.prepare("c", "batch_gradient", case, check=result)
    assert said.startswith("array 1: off by ")
    assert at_work.time("a") > 0
    assert at_work.forget()


def test_memory_counts_what_a_run_holds_and_not_what_it_is_given() -> None:
    at_work, numbers = worker.Worker("ours"), 10**6
    given = np.ones(numbers)
    at_work.ready["copies"] = (given.copy, 1)
    at_work.ready["reads"] = (given.sum, 1)
    assert numbers * 8 <= at_work.memory("copies") < numbers * 8 + 10_000
    assert at_work.memory("reads") < 10_000


# Everybody has the same numbers


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_is_the_same_each_time(name: str, dtype: str) -> None:
    one, other = draw_batch(Case(name, dtype, N=3)), draw_batch(Case(name, dtype, N=3))
    for a, b in zip(
        [*one.weights, *one.biases, one.x, one.y],
        [*other.weights, *other.biases, other.x, other.y],
        strict=True,
    ):
        assert a.dtype == dtype
        assert np.array_equal(a, b)
    assert one.x.shape == (3, NETWORKS[name].sizes[0])


def test_shorter_gradients_are_cut_from_the_longest_and_audited_as_exact() -> None:
    long, short = draw_gradients(Case(P=500, K=3)), draw_gradients(Case(P=200, K=3))
    assert np.shares_memory(long.parts[2], short.parts[2])
    assert np.array_equal(long.parts[2][:200], short.parts[2])
    assert len(draw_gradients(Case(P=600, K=3)).accumulated) == 600
    report = ours.audit(Case(P=500, K=3))()
    assert isinstance(report, gx.Report)
    assert report.verdict.value == "exact"


def test_ours_agree_with_solving_for_the_weights() -> None:
    case = Case(P=500, K=3)
    solved = ours.arrays(ours.stack_and_lstsq(case)())
    assert faults(solved, ours.arrays(ours.audit(case)())) == []
    assert len(faults([solved[0][::-1]], ours.arrays(ours.audit(case)()))) == 1


def test_the_products_alone_are_as_many_as_those_of_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[tuple[int, ...]] = []
    multiply = np.matmul

    def counting(one: Array, other: Array, out: Array) -> Array:
        counted.append((*one.shape, other.shape[1]))
        return multiply(one, other, out=out)

    run = ours.matrix_products(TINY)
    monkeypatch.setattr(np, "matmul", counting)
    run()
    forward, backward = [(8, 3, 5), (8, 5, 4), (8, 4, 2)], [(8, 4, 5), (8, 2, 4)]
    assert counted == [*forward, *backward, (5, 8, 3), (4, 8, 5), (2, 8, 4)]


def test_writing_writes_as_many_numbers_as_the_gradients_have() -> None:
    written: Any = ours.writing(TINY)()
    each: Any = ours.per_example_gradients(TINY)()
    assert [a.shape for a in written] == [a.shape for a in ours.arrays(each)]
    assert {a.dtype for a in written} == {a.dtype for a in ours.arrays(each)}


# Turns


def test_each_has_one_turn_a_round() -> None:
    order: list[str] = []

    def timed(one: str) -> float:
        order.append(one)
        return float(len(order))

    assert in_turns("abc", 2, timed) == {"a": [1, 4], "b": [2, 5], "c": [3, 6]}
    assert "".join(order) == "abcabc"


def test_only_what_is_at_its_best_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=2")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    for peer, tuned in TUNED.items():
        plain = variables(Place(peer, tuned=False, cores=2))
        best = variables(Place(peer, tuned=True, cores=2))
        assert {name: best[name] for name in best.keys() - plain.keys()} == tuned
        assert "OPENBLAS_CORETYPE" not in best.keys() | plain.keys()
        assert best["OMP_NUM_THREADS"] == plain["OPENBLAS_NUM_THREADS"] == "2"


def test_the_longest_gradient_leaves_half_of_the_memory() -> None:
    assert longest(8 * 10**9) == 100_000_000
    assert longest(7 * 10**9) == 50_000_000
    assert 2 * 9 * 4 * longest(10**9) <= 10**9


@pytest.mark.parametrize("asked", [["--rounds", "8"], ["--only", "audit"]])
def test_a_part_of_the_bench_does_not_replace_the_record(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.run", *asked])
    assert main() == 2
    assert capsys.readouterr().err == "bench: the record holds every work, in 9 rounds or more\n"


# Rows


def against(goal: float | None) -> Against:
    return Against("sketch", "jax", "dot", "a dot product", {PLAIN: goal}, (Case(P=3, K=2),))


def test_a_row_holds_least_and_middle_times_and_the_ratio_of_the_least() -> None:
    found = row(against(1.5), PLAIN, Case(P=3, K=2), 2, [0.3, 0.2, 0.9], [0.1, 0.4, 0.20004])
    assert found == {
        "work": "sketch",
        "against": "a dot product",
        "peer": "as it comes",
        "P": 3,
        "K": 2,
        "dtype": "float32",
        "cores": 2,
        "ours_seconds": [0.2, 0.3],
        "peer_seconds": [0.1, 0.2],
        "ratio": 2.0,
        "goal": 1.5,
        "met": False,
    }


@pytest.mark.parametrize(("goal", "met"), [(2.0, True), (1.99, False), (None, None)])
def test_a_goal_is_met_up_to_itself(goal: float | None, met: bool | None) -> None:  # noqa: FBT001
    assert row(against(goal), PLAIN, Case("T"), 1, [0.2], [0.1])["met"] is met


@pytest.mark.parametrize(("last", "ratio", "met"), [(4.0, 1.0, True), (4.8, 1.2, False)])
def test_growth_is_measured_against_linear_growth(last: float, ratio: float, met: bool) -> None:  # noqa: FBT001
    cases = tuple(Case(P=P, K=8) for P in (10, 20, 40))
    seconds = dict(zip(cases, [[1.0, 1.5], [3.0, 2.0], [last, 9.0]], strict=True))
    found = growth_row(Growth("audit", "P", cases, 1.1), 1, seconds)
    assert found["sizes"] == [10, 20, 40]
    assert (found["ratio"], found["met"]) == (ratio, met)
    assert found["seconds"][1] == [2.0, 2.5]


def test_what_is_doubled_is_doubled() -> None:
    for growth in growths(100_000_000):
        sizes = [getattr(case, growth.of) for case in growth.cases]
        assert all(abs(2 * a - b) <= 1 for a, b in itertools.pairwise(sizes))
    assert max(case.P for growth in growths(100_000_000) for case in growth.cases) == 100_000_000


def test_memory_is_judged_in_bytes() -> None:
    assert memory_row("sketch", 5, 5) == {"work": "sketch", "bytes": 5, "goal": 5, "met": True}
    assert not memory_row("sketch", 6, 5)["met"]


def test_the_record_is_json_with_a_row_a_line() -> None:
    written = text(RECORDED)
    assert json.loads(written) == RECORDED
    assert written == RECORD.read_text(encoding="utf-8")
    lines = sum(len(RECORDED[part]) for part in ("rows", "memory", "growth"))
    assert written.count("\n") == lines + 2 + 1 + 3 * 2


# What is committed, and what the page says of it


def rows() -> list[dict[str, Any]]:
    return [*RECORDED["rows"], *RECORDED["growth"], *RECORDED["memory"]]


def judged_wrongly(found: list[dict[str, Any]]) -> list[str]:
    """Name each row whose ratio or verdict does not follow from its own numbers."""
    said = []
    for one in found:
        value = one["bytes"] if "bytes" in one else one["ratio"]
        if one["met"] != (None if one["goal"] is None else value <= one["goal"]):
            said.append(f"met: {one}")
        if "peer_seconds" in one:
            ratio = one["ours_seconds"][0] / one["peer_seconds"][0]
            if abs(one["ratio"] - ratio) > 6e-3 * ratio:
                said.append(f"ratio: {one}")
    return said


def test_the_committed_record_follows_from_its_times() -> None:
    assert judged_wrongly(rows()) == []
    one = RECORDED["rows"][0]
    assert judged_wrongly([{**one, "ratio": one["ratio"] * 1.02}])
    assert judged_wrongly([{**one, "met": not one["met"]}])


def test_the_committed_record_is_whole() -> None:
    made = RECORDED["made"]
    assert made["rounds"] >= 9
    assert made["cores"][0] == 1
    assert made["command"] == "make bench"
    assert {"numpy", "jax", "torch", "opacus", "backpack-for-pytorch"} <= made["versions"].keys()
    kept = {(r["work"], r["against"], r["peer"]) for r in RECORDED["rows"]}
    asked = {(a.work, a.words, variant) for a in AGAINST for variant in a.goals}
    assert kept == asked
    for a in AGAINST:
        found = [r for r in RECORDED["rows"] if (r["work"], r["against"]) == (a.work, a.words)]
        for r in found:
            assert r["goal"] == a.goals[r["peer"]], r
        most = 2 * len(a.cases) * len(a.goals)
        assert most / 2 <= len(found) <= most
    assert {r["work"] for r in RECORDED["memory"]} == MEMORY.keys()
    assert [(r["work"], r["of"]) for r in RECORDED["growth"]] == [
        (g.work, g.of) for g in growths(100)
    ]


def test_every_way_is_one_that_its_module_has() -> None:
    files = {peer: ROOT / "bench" / f"with_{peer}.py" for peer in ("jax", "torch")}
    texts = {peer: file.read_text(encoding="utf-8") for peer, file in files.items()}
    for one in AGAINST:
        assert callable(getattr(ours, one.work))
        if one.peer == "ours":
            assert callable(getattr(ours, one.way))
        else:
            assert f"def {one.way}(case: Case) -> Run:" in texts[one.peer]


@pytest.mark.skipif(sys.platform != "linux", reason="make bench reads /proc")
def test_the_machine_is_told_in_words() -> None:
    assert re.fullmatch(r"(\w+ )(virtual )?cores?, Linux \w+", words())
    assert room() > 10**8
    assert processor() != ""
    known = kernel({**os.environ, "OPENBLAS_CORETYPE": "Haswell"})
    assert known in {"Haswell", "unknown"}  # unknown: another BLAS
