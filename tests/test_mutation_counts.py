"""The judgement on mutmut's run: survivors, functions never mutated, and lists grown old."""

import ast
import json
from pathlib import Path

import pytest
from mutation_counts import Mutant, judged, mutants, mutated_modules, public_functions, unmutated
from support.pages import ROOT
from support.survivors import listed

CODE = """
def twice(x):
    return 2 * x
def _half(x):
    return x / 2
class Line:
    def __call__(self, x):
        return x
    def _check(self): ...
class _Hidden:
    def method(self): ...
"""
# As mutmut writes it: the original and its mutants, and a file of their exit codes.
MUTATED = '''
def x_twice__mutmut_orig(x):
    """Twice."""
    return (
        2 * x
    )
def x_twice__mutmut_1(x):
    """Twice."""
    return (
        3 * x
    )
class Line:
    def xǁLineǁ__call____mutmut_orig(self, x=1):
        return x
    def xǁLineǁ__call____mutmut_1(self, x=2):
        return x
'''
TWICE = ("package.code.twice", "2 * x", "3 * x")
CALL = ("package.code.Line.__call__", "def __call__(self, x=1):", "def __call__(self, x=2):")
KILLED = [Mutant("f", "a", f"b{number}", killed=True) for number in range(19)]
SURVIVOR = Mutant("f", "a", "c", killed=False)


def planted(folder: Path, twice: int | None, call: int) -> Path:
    """Write a package with the run of mutmut; return the module."""
    (folder / "mutants" / "package").mkdir(parents=True)
    (folder / "package").mkdir()
    (folder / "package" / "code.py").write_text(CODE)
    (folder / "package" / "spared.py").write_text(CODE)
    (folder / "pyproject.toml").write_text(
        "[tool.mutmut]\nsource_paths = ['package']\ndo_not_mutate = ['package/spared*']\n"
    )
    (folder / "mutants" / "package" / "code.py").write_text(MUTATED, encoding="utf-8")
    codes = {"x_twice__mutmut_1": twice, "xǁLineǁ__call____mutmut_1": call}
    results = {f"package.code.{name}": code for name, code in codes.items()}
    meta = folder / "mutants" / "package" / "code.py.meta"
    meta.write_text(json.dumps({"exit_code_by_key": results}))
    return Path("package/code.py")


def test_mutants_are_read_with_the_lines_they_changed(tmp_path: Path) -> None:
    module = planted(tmp_path, 1, 0)
    assert mutated_modules(tmp_path) == [module]
    found = {mutant.altered: mutant.killed for mutant in mutants(tmp_path, module)}
    assert found == {TWICE: True, CALL: False}


@pytest.mark.parametrize(
    ("code", "killed"), [(0, False), (1, True), (3, True), (33, False), (36, True), (35, False)]
)
def test_only_a_failure_or_the_clock_kills(tmp_path: Path, code: int, *, killed: bool) -> None:
    first, _ = mutants(tmp_path, planted(tmp_path, code, 1))
    assert first.killed is killed


def test_a_mutant_that_was_not_tried_stops_it(tmp_path: Path) -> None:
    module = planted(tmp_path, None, 1)
    with pytest.raises(ValueError, match=r"^mutmut has not tried package.code.x_twice__mutmut_1$"):
        list(mutants(tmp_path, module))


def test_public_functions_are_those_of_the_source(tmp_path: Path) -> None:
    found = list(public_functions(tmp_path, planted(tmp_path, 1, 1)))
    assert found == ["package.code.twice", "package.code.Line.__call__"]


def test_a_good_run_passes() -> None:
    assert judged([*KILLED, SURVIVOR], ["f"], {SURVIVOR.altered}, set()) == []


def test_a_survivor_must_be_listed() -> None:
    assert judged([*KILLED, SURVIVOR], ["f"], set(), set()) == ["Unnoticed: f\n  - a\n  + c"]


def test_a_list_grown_old_fails() -> None:
    noticed, gone = KILLED[0].altered, ("f", "a", "d")
    assert judged(KILLED, ["f"], {noticed, gone}, set()) == [
        "Listed, but there is no such change: f\n  - a\n  + d",
        "Listed, but noticed: f\n  - a\n  + b0",
    ]


def test_a_public_function_without_mutants_fails() -> None:
    assert judged(KILLED, ["f", "g"], set(), set()) == ["Not mutated: g"]


def test_a_public_function_may_be_listed_as_holding_nothing_to_alter() -> None:
    assert judged(KILLED, ["f", "g"], set(), {"g"}) == []


def test_such_a_list_grown_old_fails() -> None:
    assert judged(KILLED, ["f"], set(), {"f", "gone"}) == [
        "Listed, but mutated or not public: f",
        "Listed, but mutated or not public: gone",
    ]


def test_a_function_that_is_not_mutated_must_have_a_reason(tmp_path: Path) -> None:
    survivors = tmp_path / "survivors.toml"
    survivors.write_text("[[unmutated]]\nfunction = 'f'\nwhy = 'none'\n")
    assert unmutated(survivors) == {"f"}
    survivors.write_text("[[unmutated]]\nfunction = 'f'\n")
    with pytest.raises(ValueError, match=r"^survivors.toml must say why f is not mutated$"):
        unmutated(survivors)
    survivors.write_text("")
    assert unmutated(survivors) == set()


def test_95_in_100_must_be_killed_even_if_the_rest_is_listed() -> None:
    found = judged([*KILLED[:18], SURVIVOR], ["f"], {SURVIVOR.altered}, set())
    assert found == ["Too few are killed: 18 of 19"]


def test_a_listed_survivor_must_have_a_reason(tmp_path: Path) -> None:
    survivors = tmp_path / "survivors.toml"
    entry = "[[code]]\nplace = 'f'\nbefore = 'a'\nafter = ['b', 'c']\n"
    survivors.write_text(entry + "reason = 'none'\n")
    assert listed(survivors, "code") == {("f", "a", "b"), ("f", "a", "c")}
    assert listed(survivors, "docs") == set()
    survivors.write_text(entry)
    with pytest.raises(ValueError, match=r"^survivors.toml must give a reason for \{'place': 'f'"):
        listed(survivors, "code")


def test_the_figures_and_the_site_builder_are_spared_the_engine_is_not() -> None:
    modules = mutated_modules(ROOT)
    assert Path("gradexplain/line.py") in modules
    assert not [path for path in modules if {"figures", "sitebuild"} & {*path.parts}]


def test_the_list_is_sound_and_names_functions_that_there_are() -> None:
    survivors = ROOT / "tests" / "mutation_survivors.toml"
    places = {place for place, _, _ in listed(survivors, "code")} | unmutated(survivors)
    assert len(places) > 50
    there_are = set().union(*(functions(module) for module in mutated_modules(ROOT)))
    assert places - there_are == set()
    assert "gradexplain.line.Line.gone" not in there_are


def functions(module: Path) -> set[str]:
    """Return every function and method of a module, by its full name."""
    tree, dotted = (
        ast.parse((ROOT / module).read_text("utf-8")),
        ".".join(module.with_suffix("").parts),
    )
    classes = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
    bodies = [("", tree.body), *((f"{name}.", body) for name, body in classes.items())]
    return {
        f"{dotted}.{prefix}{node.name}"
        for prefix, body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef)
    }
