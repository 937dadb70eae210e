"""The judgment on mutmut's run: survivors, functions never mutated, and lists grown old."""

import ast
import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from mutation_counts import (
    Mutant,
    interval,
    judged,
    judged_sample,
    mutants,
    mutated_modules,
    operator,
    public_functions,
    unmutated,
)
from support.pages import ROOT
from support.survivors import listed, listed_operators

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
KILLED = [Mutant("f", "a", f"b{number}", killed=True) for number in range(39)]
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


def test_in_a_sample_what_was_not_tried_is_left_out(tmp_path: Path) -> None:
    module = planted(tmp_path, None, 0)
    assert [mutant.altered for mutant in mutants(tmp_path, module, untried=True)] == [CALL]


def test_public_functions_are_those_of_the_source(tmp_path: Path) -> None:
    found = list(public_functions(tmp_path, planted(tmp_path, 1, 1)))
    assert found == ["package.code.twice", "package.code.Line.__call__"]


def test_a_good_run_passes() -> None:
    assert judged([*KILLED, SURVIVOR], ["f"], Counter([SURVIVOR.change]), set()) == []


def test_a_survivor_must_be_listed() -> None:
    found = judged([*KILLED, SURVIVOR], ["f"], Counter(), set())
    assert found == ["Unnoticed, a → c: f\n  - a\n  + c"]


def test_a_survivor_is_found_again_after_its_line_was_edited() -> None:
    edited = Mutant("f", "x(a)", "x(c)", killed=False)
    assert judged([*KILLED, edited], ["f"], Counter([SURVIVOR.change]), set()) == []


def test_two_like_survivors_must_be_listed_twice() -> None:
    both = [*KILLED, SURVIVOR, Mutant("f", "x(a)", "x(c)", killed=False)]
    assert len(judged([*both, *KILLED], ["f"], Counter([SURVIVOR.change]), set())) == 2
    assert judged([*both, *KILLED], ["f"], Counter({SURVIVOR.change: 2}), set()) == []


def test_a_list_grown_old_fails() -> None:
    allowed = Counter([KILLED[0].change, ("f", "a → d")])
    assert judged(KILLED, ["f"], allowed, set()) == [
        "Listed, but noticed or not there: f, a → b0",
        "Listed, but noticed or not there: f, a → d",
    ]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("if a <= b:", "if a < b:", "<= → <"),
        ("x == y", "x != y", "== → !="),
        ("a ** b", "a * b", "** → *"),
        ("zip(x, strict=True)", "zip(x, )", "strict = True → nothing"),
        ("f(1)", "f(1, 2)", "nothing → , 2"),
        ("g(word)", "g(wrd)", "word → wrd"),
    ],
)
def test_a_change_is_named_by_the_tokens_that_differ(before: str, after: str, change: str) -> None:
    assert operator(before, after) == change


def test_a_public_function_without_mutants_fails() -> None:
    assert judged(KILLED, ["f", "g"], Counter(), set()) == ["Not mutated: g"]


def test_a_public_function_may_be_listed_as_holding_nothing_to_alter() -> None:
    assert judged(KILLED, ["f", "g"], Counter(), {"g"}) == []


def test_such_a_list_grown_old_fails() -> None:
    assert judged(KILLED, ["f"], Counter(), {"f", "gone"}) == [
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


def test_97_in_100_must_be_killed_even_if_the_rest_is_listed() -> None:
    found = judged([*KILLED[:32], SURVIVOR], ["f"], Counter([SURVIVOR.change]), set())
    assert found == ["Too few are killed: 32 of 33"]


def test_a_sample_names_survivors_that_are_not_listed_and_leaves_the_list_alone() -> None:
    elsewhere = ("g", "a → d")
    assert judged_sample([*KILLED, SURVIVOR], Counter([SURVIVOR.change, elsewhere])) == []
    found = judged_sample([*KILLED, SURVIVOR], Counter([elsewhere]))
    assert found == ["Unnoticed, a → c: f\n  - a\n  + c"]


def test_a_sample_fails_only_if_97_in_100_lies_above_its_interval() -> None:
    allowed = Counter({SURVIVOR.change: 9})
    some = [*KILLED, SURVIVOR, SURVIVOR]  # 39 of 41: up to 98.7 % is possible
    assert judged_sample(some, allowed) == []
    many = [*KILLED, *[SURVIVOR] * 9]
    assert judged_sample(many, allowed) == ["Too few are killed: 39 of 48"]


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert interval(0, 0) == (0, 1)
    assert interval(10, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert interval(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    for killed, tried in [(970, 1000), (39, 41), (1, 2)]:
        for end in interval(killed, tried):  # where the share is z deviations off
            off = (killed / tried - end) / (end * (1 - end) / tried) ** 0.5
            assert abs(off) == pytest.approx(1.959964, rel=1e-6)


def test_a_listed_survivor_must_have_a_reason(tmp_path: Path) -> None:
    survivors = tmp_path / "survivors.toml"
    page = "[[docs]]\nplace = 'f'\nbefore = 'a'\nafter = ['b', 'c']\n"
    code = "[[code]]\nplace = 'f'\nchanges = ['a → b', 'a → b', 'a → c']\n"
    reason = "reason = 'none'\n"
    survivors.write_text(page + reason + code + reason, encoding="utf-8")
    assert listed(survivors, "docs") == {("f", "a", "b"), ("f", "a", "c")}
    assert listed_operators(survivors) == {("f", "a → b"): 2, ("f", "a → c"): 1}
    survivors.write_text(page + code, encoding="utf-8")
    wanted = r"^survivors.toml must give a reason for \{'place': 'f'"
    for read in (lambda path: listed(path, "docs"), listed_operators):
        with pytest.raises(ValueError, match=wanted):
            read(survivors)


def test_every_test_of_the_audit_tries_the_mutants() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tried = settings["tool"]["mutmut"]["pytest_add_cli_args_test_selection"]
    files = {f"tests/{path.name}" for path in (ROOT / "tests").glob("test_audit_*.py")}
    assert files - set(tried) == {"tests/test_audit_power.py"}  # bulk: a thousand loops


def test_the_figures_and_the_site_builder_are_spared_the_engine_is_not() -> None:
    modules = mutated_modules(ROOT)
    assert Path("gradexplain/line.py") in modules
    assert not [path for path in modules if {"figures", "sitebuild"} & {*path.parts}]


def test_the_list_is_sound_and_names_functions_that_there_are() -> None:
    survivors = ROOT / "tests" / "mutation_survivors.toml"
    places = {place for place, _ in listed_operators(survivors)} | unmutated(survivors)
    assert len(places) > 20
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
