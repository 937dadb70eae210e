"""The museum's collection and its record: what they must hold, without running any of it."""

import json
from typing import Any

import pytest
from museum.controls import CONTROLS
from museum.exhibit import About, about, names
from museum.run import OURS, RECORD, TRUTH, every, named

NAMES = names()
KNOWN = {name: about(name) for name in NAMES}
MADE: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
KINDS = {
    "mean-of-means",
    "mean-of-group-means",
    "rescaled",
    "reweighted",
    "dropped",
    "extra-term",
    "workers-disagree",
    "not-a-mean",
    "wrong-backward",
}


def test_it_is_as_large_as_it_says() -> None:
    assert len(NAMES) >= 30
    assert len({known.project for known in KNOWN.values()}) >= 15
    assert sum(bool(known.real) for known in KNOWN.values()) >= 12
    assert len(CONTROLS) >= 30
    assert min(known.reported for known in KNOWN.values()) < "2016"


def test_it_covers_every_class() -> None:
    assert {known.kind for known in KNOWN.values()} == KINDS
    assert any(known.term for known in KNOWN.values())
    assert any(known.workers > 1 for known in KNOWN.values())


@pytest.mark.parametrize("name", NAMES)
def test_each_says_where_it_is_from(name: str) -> None:
    known = KNOWN[name]
    assert known.address.startswith("https://github.com/")
    assert known.state in {"open", "closed", "merged"}
    assert known.reported < known.seen
    assert bool(known.real) != bool(known.reduces), "real, or a reduction of something named"


def test_each_has_its_truth() -> None:
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    keys = {f"{name}, {'after' if right else 'before'}" for name, right in every()}
    assert truth.keys() == keys
    for key, found in truth.items():
        right = key.endswith("after")
        assert (found["error"] < 1e-5) == right, (key, found["error"])


def test_the_record_holds_the_collection() -> None:
    assert [row["name"] for row in MADE["bugs"]] == NAMES
    assert [row["name"] for row in MADE["controls"]] == list(CONTROLS)
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    for row in MADE["bugs"]:
        assert row["before"]["truth"] == truth[f"{row['name']}, before"]
        for tool in OURS:
            assert row["before"][tool]["named"] == named(
                tool, row["before"][tool], KNOWN[row["name"]]
            )


def test_a_right_loop_raises_no_alarm() -> None:
    rows = [(row["name"], row) for row in MADE["controls"]]
    rows += [(row["name"], row["after"]) for row in MADE["bugs"]]
    assert not [(name, tool) for name, row in rows for tool in OURS if row[tool]["ok"] is False]


def test_ours_together_name_what_they_are_meant_to() -> None:
    both = MADE["comparison"]["tap and audit"]
    assert both["named"] >= 0.95 * len(NAMES)
    missed = [
        row["name"] for row in MADE["bugs"] if not any(row["before"][t]["named"] for t in OURS)
    ]
    assert {KNOWN[name].kind for name in missed} <= {"wrong-backward"}


def test_a_name_needs_the_class_the_term_and_the_factor() -> None:
    known = About("", "", "", "", "", "", "rescaled", factor=0.5, term="router")
    said = {
        "ok": False,
        "verdict": "rescaled",
        "factor": 0.5,
        "terms": {"router": ["rescaled", ""]},
    }
    assert named("tap", said, known)
    assert not named("tap", {**said, "verdict": "dropped"}, known)
    assert not named("tap", {**said, "factor": 0.6}, known)
    assert not named("tap", {**said, "terms": {"loss": ["rescaled", ""]}}, known)
    assert not named("tap", {**said, "ok": None}, known)
    assert not named("cosine", said, known)
