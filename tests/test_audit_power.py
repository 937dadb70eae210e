"""How often the audit names what is wrong: the record, and a sample run again."""

import json

import numpy as np
import pytest
from planted import ARITHMETICS, MISTAKES, RECORD, Loop, loops, outcome

UNDECIDED = {"float32": 0.05, "float16": 0.15, "bfloat16": 0.15}  # at most, of all loops


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_record_holds_no_wrong_verdict_and_few_undecided_ones(arithmetic: str) -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    found = record[arithmetic]
    assert set(found) == set(MISTAKES)
    each = [sum(row.values()) for row in found.values()]
    assert sum(each) == record["made"]["loops"] >= 200
    assert sum(row["wrong"] for row in found.values()) == 0
    undecided = sum(row["undecided"] for row in found.values())
    assert undecided <= UNDECIDED[arithmetic.partition(" ")[0]] * sum(each)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_no_planted_mistake_gets_a_wrong_name(arithmetic: str) -> None:
    outcomes = [outcome(loop) for loop in loops(arithmetic, 21, seed=1)]
    assert "wrong" not in outcomes
    assert outcomes.count("right") >= (0.95 if arithmetic == "float32" else 0.7) * len(outcomes)


def test_a_wrong_verdict_would_be_seen() -> None:
    loop = next(loops("float32", 1))
    other = Loop("never divided", loop.accumulated, loop.parts, loop.counts)
    assert outcome(other) == "wrong"
    noise = np.random.default_rng(0).standard_normal(loop.accumulated["0.weight"].shape)
    noisy = loop.accumulated | {"0.weight": (1e-3 * noise).astype(np.float32)}
    assert outcome(Loop("none", noisy, loop.parts, loop.counts)) in {"undecided", "wrong"}
