"""The museum's page: each bug has its entry, true to the record and to the code that was run."""

import ast
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.pages import ROOT

from gradexplain.audit.judge import Verdict
from sitebuild import loops
from sitebuild.faults import unmarked_numbers
from sitebuild.glossary import link_terms
from sitebuild.museum import OURS, Museum, anchor, drawn, standing
from sitebuild.page import Page

DOCS = ROOT / "docs"
MUSEUM = Museum(DOCS)
BUGS: dict[str, dict[str, Any]] = {bug["name"]: bug for bug in MUSEUM.bugs}
TOLD: dict[str, dict[str, Any]] = MUSEUM.told["bugs"]
SOURCES = ROOT / "tests" / "museum"
GALLERY = drawn("gallery", DOCS)
ENTRIES = dict(
    zip(
        BUGS,
        re.findall(r'<details class="gx-bug".*?</details>', GALLERY, re.DOTALL),
        strict=True,
    )
)
each_bug = pytest.mark.parametrize("name", BUGS)


def shown(name: str) -> list[loops.Line]:
    source = (SOURCES / "bugs" / f"{name}.py").read_text(encoding="utf-8")
    return loops.shown(source, TOLD[name])


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", "", re.sub(r"<!--.*?-->", "", html))


def test_each_bug_of_the_record_is_told_of_and_no_other() -> None:
    assert set(TOLD) == set(BUGS)
    known = {"fix", "cost", "standing", "loop", "where"}
    for name, told in TOLD.items():
        assert {"fix"} <= set(told) <= known, name


@each_bug
def test_an_entry_says_what_the_record_says(name: str) -> None:
    bug, entry = BUGS[name], ENTRIES[name]
    summary = text(entry.partition("</summary>")[0])
    for said in (bug["project"], bug["reported"][:4], standing(bug, TOLD[name])):
        assert said in summary
    assert f'<h3 id="{anchor(name)}">' in entry
    assert f'href="{bug["address"]}"' in entry
    assert f'data-off="{bug["before"]["truth"]["error"]}"' in entry
    loud = {tool for tool, said in bug["before"].items() if tool != "truth" and said["ok"] is False}
    told = text(entry).partition("The tools.")[2].partition("ilent:")[0]
    assert all(MUSEUM.name(tool).strip("`") in told for tool in loud)


@each_bug
def test_what_no_verdict_names_is_called_a_class(name: str) -> None:
    known = BUGS[name]["kind"] in {str(verdict) for verdict in Verdict}
    assert ("The verdict." in ENTRIES[name]) == known
    assert ("The class." in ENTRIES[name]) != known


@each_bug
def test_weights_are_shown_where_they_say_what_is_wrong(name: str) -> None:
    bug, entry = BUGS[name], ENTRIES[name]
    marks = Page(entry).marks
    weights = [mark for mark in marks if mark.expression.startswith("weight(")]
    if bug["kind"] == "not-a-mean":
        assert weights == []
        assert "No weights" in entry
    elif weights:
        given = [mark for mark in weights if '"before"' in mark.expression]
        right = [mark for mark in weights if '"after"' in mark.expression]
        count = len(bug["before"]["truth"]["weights"])
        assert min(len(given), len(right)) >= count
        values = [mark.printed for mark in given], [mark.printed for mark in right]
        assert values[0] != values[1]
    else:
        assert "the whole batch" in entry


@each_bug
def test_a_loop_has_ten_lines_at_most_and_both_versions_are_python(name: str) -> None:
    lines = shown(name)
    assert len(loops.side(lines, "-").splitlines()) <= 10
    assert max(len(code) for _, code in lines) <= 76
    before, after = (ast.parse(loops.side(lines, sign)) for sign in "-+")
    versions = {line for _, line in lines if re.search(r"# \d", line)}
    assert ast.dump(before) != ast.dump(after) or versions


@each_bug
def test_what_a_loop_of_a_package_calls_is_in_the_code_that_was_run(name: str) -> None:
    if not (BUGS[name].get("real") and "loop" in TOLD[name]):
        return  # the field's tests run it
    files = [SOURCES / "bugs" / f"{name}.py", *SOURCES.glob("*s.py")]
    run = "\n".join(file.read_text(encoding="utf-8") for file in files)
    run += (ROOT / "tests/field/cases/transformers_trainer.py").read_text(encoding="utf-8")
    for sign in "-+":
        code = loops.side(shown(name), sign)
        for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func).rpartition(".")[2]
            assert re.search(rf"\b{called}\b", run), called
            for keyword in call.keywords:
                assert f"{keyword.arg}=" in run, keyword.arg


def test_the_loop_is_taken_from_what_was_run() -> None:
    source = """\
def before(loop):
    (batch,) = loop.batches
    step(loop, share=1, added=False)
    loop.log(1)
def after(loop):
    (batch,) = loop.batches
    step(loop, share=1 / loop.workers, added=True)
def step(loop, share, *, added):
    'Do it.'
    losses: list = [a for a, b in zip(x, y, strict=True)]
    loss = loop.tap(f(loop.net), targets=3)
    loss = loop.tap(loss)
    g = a if added else b
    (loss * share).backward()
"""
    assert loops.changes(source) == [
        (" ", "losses = [a for a, b in zip(x, y)]"),
        (" ", "loss = f(model)"),
        ("-", "g = b"),
        ("-", "loss.backward()"),
        ("+", "g = a"),
        ("+", "(loss * (1 / workers)).backward()"),
    ]


def test_a_loop_that_is_written_out_is_read_as_a_change() -> None:
    lines = loops.read("  one\n- two\n+ three\n\n    four")
    assert loops.side(lines, "-") == "one\ntwo\n\n  four"
    assert loops.side(lines, "+") == "one\nthree\n\n  four"
    with pytest.raises(ValueError, match="must begin with '- ', '\\+ ' or two spaces, not 'x y'"):
        loops.read("x y")


@pytest.mark.parametrize("tool", OURS)
def test_each_miss_and_each_false_alarm_of_ours_is_explained(tool: str) -> None:
    told = MUSEUM.told
    for name, bug in BUGS.items():
        found = bug["before"][tool]
        if "not for" not in found and not found["named"]:
            assert told["missed"][tool].get(name), f"{tool} misses {name}: say why"
            assert f"(#{anchor(name)})" in drawn("misses", DOCS)
    right = {row["name"]: row for row in MUSEUM.record["controls"]}
    right |= {f"{bug['project']}, fixed": bug["after"] for bug in BUGS.values()}
    for name, row in right.items():
        if row[tool]["ok"] is False:
            assert told["alarms"][tool].get(name), f"{tool} suspects {name}: say why"


def test_each_tool_has_a_row_and_says_what_it_misses() -> None:
    comparison, others = drawn("comparison", DOCS), drawn("others", DOCS)
    for tool in MUSEUM.record["comparison"]:
        assert MUSEUM.name(tool) in comparison
        if "tap" not in tool and tool != "audit":
            assert MUSEUM.told["tools"][tool]["blind"] in others


def altered(folder: Path, record: dict[str, Any]) -> Path:
    (folder / "practice").mkdir()
    (folder / "practice" / "museum.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_what_another_record_says_is_drawn(tmp_path: Path) -> None:
    record = copy.deepcopy(MUSEUM.record)
    for bug in record["bugs"]:
        for tool in OURS:
            bug["before"][tool] = {"ok": False, "named": True}
    for row in [*record["controls"], *(bug["after"] for bug in record["bugs"])]:
        for tool in OURS:
            row[tool] = {"ok": True}
    docs = altered(tmp_path, record)
    assert drawn("misses", docs) == "Neither misses one, and neither suspects a right loop."
    record["controls"][0]["tap"] = {"ok": False, "says": "an alarm"}
    (docs / "practice" / "museum.json").write_text(json.dumps(record), encoding="utf-8")
    said = record["controls"][0]["name"].removeprefix("right: ")
    assert drawn("misses", docs) == f"- **The tap suspects** a right loop, “{said}”. an alarm"


def test_the_smallest_error_is_the_last_before_a_tool_falls_silent(tmp_path: Path) -> None:
    record = copy.deepcopy(MUSEUM.record)
    answers = [(0.5, False), (0.05, False), (0.005, True), (0.0005, False)]
    tools = [tool for tool in record["comparison"] if tool in record["smallest"]["0"]]
    record["smallest"] = {
        str(error): {"error": error, **dict.fromkeys(tools, ok)} for error, ok in answers
    }
    table = drawn("comparison", altered(tmp_path, record))
    assert {row.split(" | ")[-1].partition("<!")[0] for row in table.splitlines()[2:-1]} == {"5"}
    assert table.splitlines()[-1].endswith("| not asked |")


def test_a_place_that_asks_for_something_else_stops_the_build() -> None:
    with pytest.raises(ValueError, match=r"^<!--museum: cafe--> must ask for one of comparison, "):
        drawn("cafe", DOCS)


def test_a_number_of_an_entry_is_computed_quoted_or_code() -> None:
    prose = re.sub(r"<code>.*?</code>", "", GALLERY)
    prose = re.sub(r"<pre.*?</pre>", "", prose, flags=re.DOTALL).replace("Qwen2.5", "Qwen")
    assert [words for _, words in unmarked_numbers(Page(prose))] == []


def test_every_line_of_the_gallery_is_html_so_that_no_term_becomes_a_link() -> None:
    assert all(line.startswith("<") for line in GALLERY.splitlines() if line)
    assert link_terms(GALLERY, {"loss": "loss", "step": "step"}, "questions.md") == GALLERY


def test_no_link_stands_in_what_unfolds() -> None:
    page = Page(GALLERY)
    for mark in page.marks:
        summary = GALLERY.rfind("<summary>", 0, mark.start) > GALLERY.rfind("\n", 0, mark.start)
        assert page.may_link(mark.start) != summary
