"""The record of how often the audit names what is wrong, which a page shows."""

import json

import pytest
from planted import ARITHMETICS, MISTAKES
from support.pages import ROOT

RECORD = ROOT / "docs" / "reference" / "power.json"
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
