"""Run the package's own tests against the wheel: with its run-time dependencies, lowest and newest.

    python tests/release/run.py             # builds the wheel
    python tests/release/run.py dist/x.whl  # takes this one
    python tests/release/run.py dist/x.whl lowest  # with the lowest alone

What the wheel needs comes from pyproject.toml, the tools that test it from requirements.lock. The
newest versions are those in the lock, the lowest the first that pyproject.toml allows and that
this Python has a wheel of. The tests are copied out of the checkout, so that its package is unseen.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
RESOLUTIONS = ("lowest", "newest")
PLACES = ("FIND_LINKS", "EXTRA_INDEX_URL")
#: What is no part of the wheel, and what its run-time dependencies do not bring along.
ABSENT = ("bench", "field", "museum", "proof", "release", "sitebuild")
NOT_BROUGHT = ("gradexplain.plotting", "matplotlib", "py_mini_racer", "yaml")


def main() -> None:
    """Test the wheel that is named, or one built now, with all versions, or with those named."""
    asked = sys.argv[2:] or RESOLUTIONS
    if unknown := set(asked) - set(RESOLUTIONS):
        sys.exit(f"versions must be among {', '.join(RESOLUTIONS)}, not {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = Path(sys.argv[1]).resolve() if sys.argv[1:] else build(folder)
        copy_tests(folder / "tests")
        for resolution in asked:
            requirements = resolve(resolution, folder)
            wanted = versions(requirements)
            print(f"{wheel.name}, {resolution}: {wanted}", flush=True)  # noqa: T201 - a script
            python = environment(folder / resolution, requirements, wheel)
            refuse_the_checkout(python, folder / "tests", wanted)
            if code := run(python, folder / "tests", wanted):
                sys.exit(code)


def build(folder: Path) -> Path:
    """Build the wheel and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


def dependencies() -> list[str]:
    """Return the names of the run-time dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]]


def tools(lock: str) -> str:
    """Return the lock without the run-time dependencies, which are then free to be the lowest."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] not in dependencies())


def resolve(resolution: str, folder: Path) -> Path:
    """Write the requirements of the tests at these versions, each with its hashes."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    given, found = folder / f"{resolution}.in", folder / f"{resolution}.txt"
    given.write_text(tools(lock) if resolution == "lowest" else lock, encoding="utf-8")
    uv = ["pip", "compile", "--quiet", "--no-header", "--generate-hashes", "--no-build"]
    uv += ["--resolution", "lowest-direct" if resolution == "lowest" else "highest"]
    uv += ["--python", sys.executable, "--group", "test", "--constraint", str(given)]
    run_uv([*uv, "--output-file", str(found), "pyproject.toml"])
    return found


def environment(folder: Path, requirements: Path, wheel: Path) -> Path:
    """Make an environment with these requirements and the wheel; return its Python."""
    run_uv(["venv", "--quiet", "--python", sys.executable, str(folder)])
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = ["pip", "install", "--quiet", "--python", str(python)]
    run_uv([*install, "--require-hashes", "--no-build", "-r", str(requirements)])
    run_uv([*install, "--no-deps", str(wheel)])
    return python


def run_uv(arguments: list[str]) -> None:
    """Run uv, which finds packages where pip is told to."""
    told = {f"UV_{name}": os.environ.get(f"PIP_{name}", "") for name in PLACES}
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *arguments], cwd=ROOT, env={**os.environ, **told}, check=True)


def versions(requirements: Path) -> dict[str, str]:
    """Return the version of each run-time dependency."""
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", requirements.read_text("utf-8"), re.MULTILINE))
    return {name: pins[name] for name in dependencies()}


def run(python: Path, tests: Path, wanted: dict[str, str]) -> int:
    """Run the tests and the docstrings; return pytest's exit status."""
    where: list[str | Path] = [python, "-c", "import gradexplain; print(*gradexplain.__path__)"]
    package = subprocess.check_output(where, cwd=tests, env=surroundings(wanted), text=True).strip()
    command = pytest(python, *package_tests(tests), package)
    return subprocess.run(command, cwd=tests, env=surroundings(wanted), check=False).returncode


def refuse_the_checkout(python: Path, tests: Path, wanted: dict[str, str]) -> None:
    """Stop if the tests would start though they import the checkout, or another NumPy."""
    command = pytest(python, "--collect-only", "test_arrays.py")
    for wrong in ({"PYTHONPATH": str(ROOT)}, surroundings({"numpy": "1.0"})):
        env = {**surroundings(wanted), **wrong}
        done = subprocess.run(command, cwd=tests, env=env, check=False, capture_output=True)
        if done.returncode != 1 or b"gradexplain must" not in done.stderr + done.stdout:
            sys.exit("the tests of the wheel must not start with the checkout or another NumPy")


def pytest(python: Path, *arguments: str) -> list[str | Path]:
    """Return the command that runs these tests as they stand beside the settings for the wheel."""
    settings = ["-c", "pytest.ini", "--rootdir", ".", "-p", "installed", "-m", "not figures"]
    return [python, "-m", "pytest", *settings, *arguments]


def surroundings(wanted: dict[str, str]) -> dict[str, str]:
    """Return the variables of the environment: no path to our sources, the versions we expect."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {"WANTED": " ".join(f"{name}=={version}" for name, version in wanted.items())}


def copy_tests(folder: Path) -> None:
    """Copy the tests and what they import, with the settings for the wheel."""
    folder.mkdir()
    for path in [*TESTS.glob("*.py"), *(TESTS / "release").glob("[ip]*.*")]:
        shutil.copy(path, folder)
    shutil.copytree(TESTS / "support", folder / "support")


def package_tests(folder: Path) -> list[str]:
    """Return the test files that need nothing but the package and the test tools."""
    return [path.name for path in sorted(folder.glob("test_*.py")) if is_of_the_package(path)]


def is_of_the_package(path: Path) -> bool:
    """Tell whether neither the file, nor a file here that it imports, imports what is absent."""
    return not any(
        f"{one}.".startswith(f"{name}.") for one in reach(path) for name in ABSENT + NOT_BROUGHT
    )


@cache
def reach(path: Path) -> frozenset[str]:
    """Return the modules that a file imports at its top, also by way of the files beside it."""
    names = set(_imported(ast.parse(path.read_text(encoding="utf-8")).body))
    folder = path.parent.parent if path.parent.name == "support" else path.parent
    beside = [folder.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return frozenset(names.union(*(reach(other) for other in beside if other.is_file())))


def _imported(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)


if __name__ == "__main__":
    main()
