"""What is released: the wheel and the source archive, their bytes, contents and version."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from release.run import dependencies, package_tests, tools
from release.version import faults
from support.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
Files = dict[str, bytes]


def built(source: Path, folder: Path, epoch: str = "1700000000", **known: str) -> tuple[Path, Path]:
    """Build the source archive and the wheel of `source`, at addresses that are known or not."""
    unknown = {"GITHUB_REPOSITORY", "SITE_URL"}
    clean = {name: value for name, value in os.environ.items() if name not in unknown}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=source,
        env=clean | {"SOURCE_DATE_EPOCH": epoch} | known,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the source archive and the wheel of the checkout."""
    return built(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the source archive unpacks to, without what the archive adds."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    (source / "PKG-INFO").unlink()
    return source


def contents(wheel: Path) -> Files:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


# Bytes


def test_two_builds_give_the_same_bytes(
    archives: tuple[Path, Path], unpacked: Path, tmp_path: Path
) -> None:
    for path in unpacked.rglob("*"):  # the second comes from another folder, at another time
        os.utime(path, (1.8e9, 1.8e9))
    again = built(unpacked, tmp_path)
    assert [path.name for path in archives] == [path.name for path in again]
    assert [path.read_bytes() for path in archives] == [path.read_bytes() for path in again]


def test_the_bytes_depend_on_the_date_of_the_commit(
    archives: tuple[Path, Path], unpacked: Path, tmp_path: Path
) -> None:
    later = built(unpacked, tmp_path, "1800000000")
    assert later[1].read_bytes() != archives[1].read_bytes()
    assert contents(later[1]) == contents(archives[1])


def test_the_wheel_is_small(archives: tuple[Path, Path]) -> None:
    assert 20_000 < archives[1].stat().st_size < 250_000


# Contents


def misplaced(names: set[str]) -> set[str]:
    """Return what the wheel lacks, and what it should not hold."""
    sources = {f"gradexplain/{name}" for name in files_below(ROOT / "gradexplain")}
    sources.add("pytest_gradexplain.py")
    unwanted = re.compile(r"/__pycache__/|\.pyc$")
    info = f"gradexplain-{VERSION}.dist-info/"
    ours = {name for name in names if not name.startswith(info)}
    return ours ^ {name for name in sources if not unwanted.search(name)}


def test_the_wheel_holds_the_package_typed_and_nothing_of_the_site(
    archives: tuple[Path, Path],
) -> None:
    names = set(contents(archives[1]))
    assert misplaced(names) == set()
    assert {"gradexplain/py.typed", "gradexplain/integrations/torch.py"} <= names
    assert misplaced(names - {"gradexplain/py.typed"}) == {"gradexplain/py.typed"}
    assert misplaced({*names, "tests/audits.py"}) == {"tests/audits.py"}
    assert misplaced({*names, "sitebuild/hooks.py"}) == {"sitebuild/hooks.py"}


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import gradexplain
assert gradexplain.__path__[0].startswith(sys.argv[1]), gradexplain.__path__
for module in pkgutil.walk_packages(gradexplain.__path__, "gradexplain."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(module.name, "needs", error.name)
import numpy
parts = list(numpy.random.default_rng(0).standard_normal((2, 50)))
gradexplain.audit_accumulation(sum(parts) / 2, parts, counts=[1, 3]).plot()
"""


def test_every_module_of_the_wheel_can_be_imported_and_a_report_drawn(
    archives: tuple[Path, Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, str(archives[1])]  # read as it is, a zip
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    needs = dict(line.split(" needs ") for line in done.stdout.splitlines())
    assert all(name.startswith("gradexplain.integrations.") for name in needs), needs
    assert set(needs.values()) <= {"lightning", "torch", "transformers"}


def test_the_wheel_says_what_it_needs(archives: tuple[Path, Path]) -> None:
    info = f"gradexplain-{VERSION}.dist-info"
    held = contents(archives[1])
    metadata = held[f"{info}/METADATA"].decode()
    needed = re.findall(r"^Requires-Dist: (.*)", metadata, re.MULTILINE)
    assert [need for need in needed if "extra ==" not in need] == ["jaxtyping>=0.3", "numpy>=2.0"]
    extras = {re.split(r"extra == ", need)[1].strip("'") for need in needed if "extra ==" in need}
    assert extras == {"figures", "lightning", "torch", "transformers"}
    assert f"\nVersion: {VERSION}\n" in metadata
    assert held[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    commands = held[f"{info}/entry_points.txt"].decode()
    assert commands == (
        "[console_scripts]\ngradexplain = gradexplain.audit.cli:main\n\n"
        "[pytest11]\npytest_gradexplain = pytest_gradexplain\n"
    )


def test_addresses_that_are_known_are_in_the_metadata_and_no_others(
    archives: tuple[Path, Path], tmp_path: Path
) -> None:
    name = f"gradexplain-{VERSION}.dist-info/METADATA"
    plain = contents(archives[1])[name].decode()
    assert "Project-URL" not in plain
    assert plain.endswith((ROOT / "README.md").read_text("utf-8"))
    known = {"GITHUB_REPOSITORY": "someone/here", "SITE_URL": "https://example.org/"}
    told = contents(built(ROOT, tmp_path, **known)[1])[name].decode()
    assert re.findall(r"^Project-URL: (.*)$", told, re.MULTILINE) == [
        "Documentation, https://example.org/",
        "Source, https://github.com/someone/here",
        "Issues, https://github.com/someone/here/issues",
    ]
    assert "pip install gradexplain\n" in told
    tree = f"https://github.com/someone/here/{{}}/v{VERSION}/"
    links = re.findall(r"\]\(([^)]*)\)", told)
    assert len(links) > 5
    assert all(link.startswith((tree.format("blob"), tree.format("raw"))) for link in links)
    assert f"({tree.format('raw')}docs/assets/pairing.svg)" in told
    paths = [link.split(f"/v{VERSION}/")[1] for link in links]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_source_archive_holds_all_that_git_does(unpacked: Path) -> None:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)  # noqa: S607 - whichever git
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    assert tracked - set(files_below(unpacked)) == set()
    assert {"tests/test_wheel.py", "docs/index.md", "CHANGELOG.md", "requirements.lock"} <= tracked


# Version


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Return a folder with what a release is checked by, as it should be on that day."""
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    change(tmp_path / "CHANGELOG.md", ", unreleased", ", 2026-12-01")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_citation_and_changelog_have_the_version_of_pyproject() -> None:
    said = faults(None, ROOT)
    assert said == []


def test_a_release_is_checked_by_its_tag(released: Path) -> None:
    assert faults(f"v{VERSION}", released) == []
    assert faults(VERSION, released) == [f"the tag must be v{VERSION}, not {VERSION}"]
    assert faults("v9", released) == [f"the tag must be v{VERSION}, not v9"]


@pytest.mark.parametrize(
    ("name", "old", "new", "must"),
    [
        ("CITATION.cff", f"version: {VERSION}", "version: 9.9", "have the version {}, not 9.9"),
        ("CHANGELOG.md", f"## {VERSION}, ", "## 9.9, ", "begin with {} and a date, not with 9.9, "),
        ("CHANGELOG.md", "2026-12-01", "unreleased", "begin with {0} and a date, not with {0}, un"),
    ],
)
def test_what_disagrees_with_the_tag_is_named(
    name: str, old: str, new: str, must: str, released: Path
) -> None:
    change(released / name, old, new)
    [said] = faults(f"v{VERSION}", released)
    assert said.startswith(f"{name} must {must.format(VERSION)}")


def test_the_check_of_a_release_stops_it() -> None:
    command = [sys.executable, str(ROOT / "tests/release/version.py"), "v9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the tag must be v{VERSION}, not v9\n" in done.stderr


# The run against the wheel


def test_the_package_s_tests_and_no_others_run_against_the_wheel(tmp_path: Path) -> None:
    chosen = package_tests(ROOT / "tests")
    assert {"test_network.py", "test_audit_read_files.py", "test_bad_input.py"} <= set(chosen)
    assert not {"test_site.py", "test_figures.py", "test_wheel.py", "test_build_times.py"} & set(
        chosen
    )
    modules = {path.stem for path in (ROOT / "gradexplain").glob("[a-z]*.py")}
    engine = modules - {"plotting"}  # tested with the figures, and needs matplotlib
    assert {f"test_{name}.py" for name in engine} <= set(chosen)

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(text, "utf-8")

    write("test_near.py", "from beside import x\n")
    write("beside.py", "import far\n")
    write("far.py", "import numpy\n")
    assert package_tests(tmp_path) == ["test_near.py"]
    write("test_site.py", "from beside_too import x\n")
    write("beside_too.py", "import sitebuild\n")
    assert package_tests(tmp_path) == ["test_near.py"]


def test_the_lock_gives_the_tools_and_leaves_the_dependencies_free() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert dependencies() == ["numpy", "jaxtyping"]
    pins = re.findall(r"^([\w.-]+)==", tools(lock), re.MULTILINE)
    assert {*pins, *dependencies()} == set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    assert not {*pins} & {*dependencies()}
    assert tools(lock).count("--hash=") > len(pins)
