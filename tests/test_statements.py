"""What Coq checks and what the pages claim: neither changes without the other. No Coq is needed."""

import re
from pathlib import Path

import alter
import check
import coq
import pytest
from support.pages import ROOT

from sitebuild.page import Page
from sitebuild.statements import asked_for, digest, fill_statements, statement

STATEMENTS = coq.sources()["Statements"]
DOCS = ROOT / "docs"


def faults(statements: str, pages: dict[str, str]) -> list[str]:
    """Name each theorem whose claim, or whose statement, is not the one that was compared."""
    found = []
    for name, recorded in coq.theorems().items():
        page = pages[recorded.page]
        found += [
            f"{recorded.page} no longer says what {name} was compared with: {claim}"
            for claim in recorded.claims
            if claim not in page
        ]
        says = digest(name, statements)
        if says != recorded.says:
            found.append(
                f"{name} says something new: compare it with {recorded.page}, write {says}"
            )
        if asked_for(page).count(name) != 1:
            found.append(f"{recorded.page} must show {name} once")
        if recorded.page not in _comment_before(name, statements):
            found.append(f"the comment above {name} must name {recorded.page}")
    return found


def _comment_before(name: str, statements: str) -> str:
    """Return the last comment above a definition that names a page."""
    before = statements[: statements.index(f"Definition {name} ")]
    return re.findall(r"\(\*\* (docs/.*?)\*\)", before, re.DOTALL)[-1]


def pages() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in DOCS.rglob("*.md")
    }


def test_claims_and_statements_are_those_that_were_compared() -> None:
    assert faults(STATEMENTS, pages()) == []
    shown = [name for page in pages().values() for name in asked_for(page)]
    assert sorted(shown) == sorted(coq.theorems())


@pytest.mark.parametrize("name", coq.theorems())
def test_neither_changes_without_the_other(name: str) -> None:
    recorded = coq.theorems()[name]
    for claim in recorded.claims:
        page = pages()[recorded.page]
        changed = page.replace(claim, claim[:-1])
        found = faults(STATEMENTS, pages() | {recorded.page: changed})
        assert any(claim in fault for fault in found)
    text = coq.definitions(STATEMENTS)[name]
    for one in alter.alterations(name, text):
        found = faults(STATEMENTS.replace(text, one.text), pages())
        assert any(fault.startswith(f"{name} says") for fault in found), one


def test_a_definition_that_changes_changes_what_every_theorem_says_that_uses_it() -> None:
    found = faults(STATEMENTS.replace("total n x / INR n", "total n x"), pages())
    assert {fault.split()[0] for fault in found} >= {"line", "ledger", "means_pass_through"}
    assert not any(fault.startswith("one_parameter") for fault in found)


def test_comments_and_layout_are_no_statement() -> None:
    laid_out = STATEMENTS.replace(" /\\\n  ", "\n /\\ ").replace("(** An interval", "(** Intervals")
    assert laid_out != STATEMENTS
    assert digest("one_rule", laid_out) == digest("one_rule", STATEMENTS)


def test_the_site_and_the_checker_read_the_same_definitions() -> None:
    known = coq.definitions(STATEMENTS)
    for name, text in known.items():
        shown = statement(name, STATEMENTS)
        assert shown.endswith(text)
        assert set(coq.definitions(shown)) == coq.uses(name, known)


def test_each_file_comes_after_those_that_it_requires() -> None:
    files = coq.sources()
    order = coq.in_order(files)
    assert sorted(order) == sorted(files)
    assert order.index("Batch") < order.index("Slopes") < order.index("Directions")
    assert set(coq.in_order(files, ["Nets"])) == {
        "Statements",
        "Batch",
        "Slopes",
        "Gradients",
        "Nets",
    }


def test_a_statement_stands_under_its_claim_with_all_that_it_uses() -> None:
    filled = fill_statements("A claim.\n\n<!--coq: one_parameter-->\n", DOCS, "learn/a.md")
    assert filled.startswith('A claim.\n\n??? coq "Checked by Coq: the statement"\n\n    ```text\n')
    for name in ["interval", "slope", "monotone", "one_parameter"]:
        assert f"    Definition {name} " in filled
    assert "Definition gradient " not in filled
    assert "(** In one parameter, and in several. *)" in filled
    assert "docs/" not in filled
    assert "The theorems of this site" not in fill_statements("<!--coq: rail-->", DOCS, "a.md")
    assert "`proofs/Slopes.v`" in filled
    assert "(../reference/checked.md#checked-by-coq)" in filled
    with pytest.raises(ValueError, match="'two' must be one of total, E, Cov"):
        fill_statements("<!--coq: two-->", DOCS, "learn/a.md")


def test_the_page_on_checks_names_every_page_with_a_checked_theorem() -> None:
    text = pages()["docs/reference/checked.md"]
    [row] = re.findall(r"^\| \*checked by Coq\* .*$", text, re.MULTILINE)
    linked = {f"docs/{path}" for path in re.findall(r"\]\(\.\./([^#)]*)#", row)}
    assert linked == {recorded.page for recorded in coq.theorems().values()}
    section = text.partition("## Checked by Coq\n")[2].partition("\n## ")[0]
    assert len(Page(section.partition("\n| How")[0]).prose.split()) <= 150
    assert "Thirteen statements" in section
    assert len(coq.theorems()) == 13


def test_the_proofs_have_no_gap_that_can_be_seen_without_coq() -> None:
    files = coq.sources()
    assert check.source_faults(files) == []
    for old, new, said in [
        ("Qed.", "Admitted.", "must prove all it says: Admitted"),
        ("Lemma total_ext", "Axiom total_ext", "must prove all it says: Axiom"),
    ]:
        wrong = files | {"Batch": files["Batch"].replace(old, new, 1)}
        assert said in check.source_faults(wrong)[0]
    long = files | {"Statements": STATEMENTS + "\n" * 8}
    assert "at most 150 lines" in check.source_faults(long)[0]
    more = files | {"Statements": STATEMENTS.replace("Import Reals", "Import Lra Reals")}
    assert "import Reals and Coquelicot and nothing else" in check.source_faults(more)[0]
    less = files | {"Linear": files["Linear"].replace("Theorem rail_holds", "Theorem rail_stands")}
    assert "rail must be a table" in check.source_faults(less)[0]


def test_axioms_are_compared() -> None:
    right = {name: recorded.axioms for name, recorded in coq.theorems().items()}
    assert check.axiom_faults(right) == []
    [fault] = check.axiom_faults(right | {"rail": [*right["rail"], "Batch.magic"]})
    assert fault.startswith("rail rests on")


REPORT = """
* Axioms:
    Coq.Logic.Classical_Prop.classic

* Constants/Inductives relying on type-in-type: <none>
* Constants/Inductives relying on unsafe (co)fixpoints: <none>
* Inductives whose positivity is assumed: <none>
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Logic.Classical_Prop.classic", "Logic.Other.choice", "the axiom Logic.Other.choice"),
        ("    Coq.Logic.Classical_Prop.classic\n", "", "names no axiom"),
        ("type-in-type: <none>", "type-in-type: Site.Batch.x", "<none> for type-in-type"),
    ],
)
def test_the_report_of_coqchk_is_read(old: str, new: str, said: str) -> None:
    assert check.report_faults(REPORT) == []
    assert said in check.report_faults(REPORT.replace(old, new))[0]


def test_each_survivor_is_an_alteration_with_a_reason() -> None:
    every = {
        (name, one.what)
        for name, text in coq.definitions(STATEMENTS).items()
        for one in alter.alterations(name, text)
    }
    assert set(alter.reasons()) <= every
    assert all(len(why.split()) >= 3 for why in alter.reasons().values())


def test_an_alteration_of_each_kind() -> None:
    text = "Definition f : Prop :=\n  forall (x y : R), 0 < x -> exists z, x - z = - y."
    found = {one.what for one in alter.alterations("f", text)}
    assert found >= {
        "orall (x y : R), ⟨0 < x → True⟩ -> exists z, x -",
        "(x y : R), 0 < ⟨x → y⟩ -> exists z, x",
        ": R), 0 < x -> ⟨exists → forall⟩ z, x - z = - y.",
        "-> exists z, x ⟨- → +⟩ z = - y.",
        "ists z, x - z = ⟨- → ⟩ y.",
    }


def test_without_coq_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check.main() == 1
    assert capsys.readouterr().err == f"{coq.MISSING}\n"
    monkeypatch.setattr("sys.argv", ["alter.py", "--sample", "1"])
    assert alter.main() == 1
    assert capsys.readouterr().err == f"{coq.MISSING}\n"
