"""The field report's driver: what it asserts of a run, and what it sees when a run changed."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from field.run import (
    KNOWN,
    ON_WORKERS,
    RELEASES,
    REPORT,
    SITUATIONS,
    changes,
    controls,
    known_wrong,
    sampled,
    units,
)
from support.pages import ROOT

from sitebuild.fill import filled, inserted
from sitebuild.page import Page

DOCS = ROOT / "docs"
ROWS: list[dict[str, Any]] = json.loads(REPORT.read_text(encoding="utf-8"))["rows"]
LAID = [row for row in ROWS if "+" in row["environment"]]
ALONE = [row for row in ROWS if "workers" not in row and row not in LAID]
BY_WORKERS = [row for row in ROWS if "workers" in row]
OVERLAYS = ROOT / "tests" / "museum" / "overlays"
ALL = "<!--field: keras accelerate lightning optax jax torch transformers-->"
OLD = ("2024", "transformers_trainer.unequal_tokens")


def altered(environment: str, case: str, **changed: Any) -> list[dict[str, Any]]:
    rows = copy.deepcopy(ROWS)
    row = next(r for r in rows if (r["environment"], r["case"]) == (environment, case))
    row |= changed
    return rows


def test_the_committed_report_holds_every_situation_and_no_fault() -> None:
    run = [(e, f"{m}.{n}") for e, m, names in units() for n in names]
    assert [(row["environment"], row["case"]) for row in ROWS] == run
    assert [*known_wrong(ROWS), *controls(ROWS), *changes(ROWS, ROWS)] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"verdict": "exact"},
        {"version": "4.46.0"},
        {"weights": [0.25, 0.25, 0.25, 0.26]},
        {"weights": [0.25, 0.25, 0.25]},
        {"expected": [0.25, 0.25, 0.25, 0.25]},
    ],
)
def test_the_known_wrong_weights_must_be_found(changed: dict[str, Any]) -> None:
    faults = list(known_wrong(altered(*OLD, **changed)))
    assert len(faults) == 1
    assert faults[0].startswith("transformers 4.45.2 must read as a mean of means, 1/4 each, not")


@pytest.mark.parametrize(
    ("environment", "case"),
    [
        ("2024", "accelerate_accumulate.variable_size"),
        ("now", "optax_multi_steps.sum_over_targets"),
        ("now", "jax_devices.psum"),
        ("now", "torch_ddp.global_count"),
    ],
)
def test_a_right_loop_that_reads_as_wrong_is_a_fault(environment: str, case: str) -> None:
    rows = altered(environment, case, verdict="rescaled")
    assert list(controls(rows)) == [f"{case} in {environment} is right, but reads rescaled"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: altered(*OLD, verdict="reweighted"), "changed from"),
        (lambda: altered(*OLD, weights=[0.25, 0.25, 0.25, 0.2521]), "changed from"),
        (lambda: altered(*OLD, error=0.38), "changed from"),
        (lambda: altered(*OLD, error=None), "changed from"),
        (lambda: altered(*OLD, situation="Another."), "changed from"),
        (lambda: ROWS[1:], "was not run"),
    ],
)
def test_whatever_moved_is_named(change: Callable[[], list[dict[str, Any]]], said: str) -> None:
    faults = list(changes(ROWS, change()))
    assert len(faults) == 1
    assert said in faults[0]
    assert OLD[1] in faults[0]


def test_a_situation_that_the_report_lacks_is_named() -> None:
    name = ("2024", "transformers_trainer.unequal_tokens")
    assert list(changes(ROWS[1:], ROWS)) == [f"{name} was not in the report"]


def test_rounding_is_no_change() -> None:
    assert list(changes(ROWS, altered(*OLD, weights=[0.25, 0.25, 0.2501, 0.2499]))) == []


def test_each_row_of_the_record_stands_in_a_table_of_its_package() -> None:
    page = filled(Page(ALL), DOCS)
    tables = {table.split(" |")[0].removeprefix("| "): table for table in page.split("\n\n")}
    assert set(tables) == {row["package"] for row in ALONE}
    for row in ALONE:
        line = next(
            line for line in tables[row["package"]].splitlines() if row["situation"] in line
        )
        head = tables[row["package"]].splitlines()[0].split(" | ")
        release = f"`{row['version'].removesuffix('+cpu')}`"
        cell = line.split(" | ")[[one.removesuffix(" |") for one in head].index(release)]
        assert ("exact" in cell) == (row["verdict"] == "exact")
        assert row["verdict"] in cell
        assert row["factor"] == 1 or f"** × {row['factor']:g}," in cell
        assert row["verdict"] == "exact" or f", {100 * row['error']:.1f}<!--=" in cell


def test_a_situation_that_one_release_did_not_run_is_said() -> None:
    page = filled(Page(ALL), DOCS)
    line = next(line for line in page.splitlines() if "loss_is_scaled_for_ga" in line)
    assert line.split(" | ")[1] == "not run"


def test_each_row_on_workers_stands_in_a_table_of_its_package() -> None:
    packages = {row["package"] for row in BY_WORKERS}
    page = filled(Page(f"<!--workers: {' '.join(packages)}-->"), DOCS)
    for row in BY_WORKERS:
        start = f"| {row['situation']} | "
        cells = [line.removeprefix(start) for line in page.splitlines() if line.startswith(start)]
        assert len(cells) == 1
        cell = cells[0].split(" | ")[row["workers"] - 1]
        assert ("exact" in cell) == (row["verdict"] == "exact")
        assert row["verdict"] in cell
        assert row["verdict"] != "rescaled" or f"×&nbsp;{row['factor']:.3g}<!--= times(" in cell
        assert row["verdict"] == "exact" or row["case"] in cell
        assert "aux_loss" in cell or row.get("terms", {}).get("aux_loss", "exact") == "exact"
    assert "not run" in page


def test_each_release_stands_in_the_order_of_its_number() -> None:
    page = filled(Page("<!--releases: transformers trl lightning-->"), DOCS)
    for table in page.split("\n\n"):
        package, lines = table.split(" | ")[0].removeprefix("| "), table.splitlines()[2:]
        shown = [line.split("`")[1] for line in lines]
        laid = {row["version"] for row in LAID if row["package"] == package}
        assert laid < set(shown)
        assert shown == sorted(shown, key=lambda one: [int(n) for n in one.split(".")])
    for row in LAID:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{row['version']}`"))
        assert row["verdict"] in line


def test_each_release_has_its_file_of_hashes() -> None:
    for environment in RELEASES:
        base, overlay = environment.split("+")
        assert base in SITUATIONS
        assert (OVERLAYS / f"{overlay}.txt").exists()
        package, _, release = overlay.rpartition("-")
        rows = [row for row in LAID if row["environment"] == environment]
        assert {(row["package"], row["version"]) for row in rows} == {(package, release)}


def test_what_is_furthest_off_stands_first() -> None:
    page = filled(Page("<!--workers: transformers-->"), DOCS)
    exact = [line.endswith("| exact | exact |") for line in page.splitlines()[2:]]
    assert exact == sorted(exact)
    assert len(set(exact)) == 2


@pytest.mark.parametrize(
    ("kind", "rows"), [("field", ALONE), ("workers", BY_WORKERS), ("releases", LAID)]
)
def test_the_page_has_a_table_for_each_package_of_the_record(kind: str, rows: Any) -> None:
    page = (DOCS / "practice" / "field-report.md").read_text(encoding="utf-8")
    asked = " ".join(re.findall(rf"<!--{kind}: (.*?)-->", page)).split()
    assert sorted(asked) == sorted({row["package"] for row in rows})


def test_a_sample_is_another_one_with_each_commit_and_names_what_it_leaves_out() -> None:
    drawn = [sampled(["2024", "now"], 6, str(seed)) for seed in range(60)]
    seen = {unit for asked, _ in drawn for unit in asked}
    assert seen == set(units([SITUATIONS, ON_WORKERS]))
    for asked, left in drawn:
        assert sorted([*asked, *left]) == sorted(units())
        assert len(asked) == 6 + 1
        assert KNOWN in asked  # what is known to be wrong shows that the audit sees it
    asked, left = sampled(["2024", "now"], None, "0")
    assert sorted([*asked, *left]) == sorted(units())
    assert all(unit in units([RELEASES]) for unit in left)  # where they are not laid over
    assert {unit[0].partition("+")[0] for unit in sampled(["2024"], None, "0")[0]} == {"2024"}


@pytest.mark.parametrize("asked", ["pylearn2", "keras pylearn2", ""])
@pytest.mark.parametrize("kind", ["field", "workers", "releases"])
def test_a_package_that_the_record_has_not_stops_the_build(kind: str, asked: str) -> None:
    said = f"<!--{kind}: {asked}--> must ask for some of transformers, "
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        filled(Page(f"<!--{kind}: {asked}-->"), DOCS)


def test_texts_that_a_model_writes_are_held_to_their_verdict_alone() -> None:
    one = "now", "trl_losses.grpo_dapo_longer"
    assert list(changes(ROWS, altered(*one, factor=1.2))) == []
    assert len(list(changes(ROWS, altered(*one, verdict="exact")))) == 1


def test_the_numbers_of_a_table_are_checked_where_it_stands() -> None:
    page = Page(f"one\n\n{ALL}\n\n`<!--field: keras-->`\n")
    marks = list(inserted(page, DOCS))
    assert len(marks) == sum(row["verdict"] != "exact" for row in ALONE)
    assert {(mark.start, mark.line) for mark in marks} == {(5, 3)}
