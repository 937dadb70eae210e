"""The command line: what it prints, what it refuses, and its exit status."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from steps import COUNTS, PARTS, RIGHT, Arrays, both, step_of, write

from gradexplain.audit.cli import HELP, main


@both
def test_exit_status_tells_exact_wrong_and_can_t_tell(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    assert main(["audit", write(path, step_of())]) == 0
    assert capsys.readouterr().out.startswith("EXACT: audit of 4 parts, 641 numbers each\n")
    assert main(["audit", write(path, step_of([0.25] * 4))]) == 1
    assert capsys.readouterr().out.startswith("MEAN OF MEANS: ")
    lonely = step_of()
    lonely = {
        n: v for n, v in lonely.items() if not n.startswith(("parts/1", "parts/2", "parts/3"))
    }
    lonely |= {f"accumulated/{n}": np.asarray(v) for n, v in PARTS[0].items()}
    lonely["counts"] = np.array([3.0])
    assert main(["audit", write(path, lonely)]) == 2
    assert capsys.readouterr().out.startswith("AMBIGUOUS: ")


def test_a_factor_that_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "step.npz", step_of(8 * RIGHT))
    assert main(["audit", path]) == 1
    assert main(["audit", path, "--expect-factor", "8"]) == 0
    assert "divided by the factor that it is meant to have, 8" in capsys.readouterr().out


def test_the_arithmetic_sets_the_tolerance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "step.npz", step_of(RIGHT * [1, 1.001, 1, 1]))
    assert main(["audit", path]) == 1
    assert main(["audit", path, "--arithmetic", "bfloat16"]) == 0
    assert "(4u√K with u = 0.0039 of bfloat16, K = 4)" in " ".join(capsys.readouterr().out.split())


def test_json_has_a_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "step.npz", step_of([0.25] * 4))
    assert main(["audit", path, "--json"]) == 1
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert printed == json.dumps(found, indent=2) + "\n"
    assert (found["schema"], found["verdict"], found["code"]) == (1, "mean of means", 1)
    assert found["implied"] == pytest.approx([0.25] * 4, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda step: step.pop("accumulated/w"),
            "accumulated must have the parameter 'w', as parts[0] has",
        ),
        (
            lambda step: step.update(count=COUNTS),
            (
                "step.npz must name its arrays accumulated/…, parts/0/…, counts, full/…, "
                "groups, again/… or extra/…/…, not 'count'"
            ),
        ),
        (lambda step: step.pop("counts"), "counts or full must be given, or both"),
        (
            lambda step: [step.pop(f"parts/1/{name}") for name in PARTS[1]],
            "step.npz must hold parts/0, parts/1, … without a gap, not 0, 2, 3",
        ),
        (
            lambda step: [step.pop(name) for name in list(step) if name.startswith("parts")],
            "step.npz must hold parts/0, parts/1, … without a gap, not none",
        ),
        (
            lambda step: [step.pop(name) for name in list(step) if name.startswith("acc")],
            "step.npz must hold 'accumulated', but it has no such array",
        ),
    ],
)
def test_a_file_that_lacks_something_says_what(
    change: Callable[[Arrays], object],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = step_of()
    change(step)
    assert main(["audit", write(tmp_path / "step.npz", step)]) == 2
    assert capsys.readouterr() == ("", f"gradexplain: {message}\n")


def test_a_missing_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


GENERAL_HELP = """\
usage: gradexplain [-h] command ...

Which averages commute with the gradient.

positional arguments:
  command
    audit     read off an accumulated gradient how it weighs its parts

options:
  -h, --help  show this help message and exit
"""
AUDIT_HELP = f"""\
usage: gradexplain audit [-h] [--json] [--expect-factor S] [--arithmetic DTYPE] file

Read off an accumulated gradient how it weighs its parts.

positional arguments:
  file                a .npz or .safetensors file

options:
  -h, --help          show this help message and exit
  --json              write the report as JSON
  --expect-factor S   a factor that is meant
  --arithmetic DTYPE  the coarsest computed in, such as tfloat32

{HELP}"""


@pytest.mark.parametrize(("command", "text"), [([], GENERAL_HELP), (["audit"], AUDIT_HELP)])
def test_help_says_what_there_is(
    command: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == text


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(
        "gradexplain: error: the following arguments are required: command\n"
    )


def test_help_shows_how_to_write_the_file() -> None:
    assert all(name in HELP for name in ["PyTorch", "JAX", "Keras", "safetensors", "np.savez"])
    assert max(map(len, HELP.splitlines())) <= 100


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("gradexplain")
    ran = subprocess.run([command, "audit", "none.npz"], check=False, capture_output=True)
    assert (ran.returncode, b"none.npz" in ran.stderr) == (2, True)
