"""The command line: what it prints, what it refuses, and its exit status."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, times, weighted
from steps import PARTS, Arrays, both, step_of, write

from gradexplain import Verdict
from gradexplain.audit.cli import HELP, UNUSABLE, audit_file, main


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
    assert main(["audit", write(path, lonely)]) == 3
    assert capsys.readouterr().out.startswith("AMBIGUOUS: ")


def test_a_factor_that_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "step.npz", step_of(8 * RIGHT))
    assert main(["audit", path]) == 1
    assert main(["audit", path, "--expect-factor", "8"]) == 0
    assert "A was divided by the factor it is meant to have, 8." in capsys.readouterr().out


def test_the_arithmetic_sets_the_tolerance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "step.npz", step_of(RIGHT * [1, 1.001, 1, 1]))
    assert main(["audit", path]) == 1
    assert main(["audit", path, "--arithmetic", "bfloat16"]) == 0
    assert "in bfloat16 (as given)" in " ".join(capsys.readouterr().out.split())


def test_json_has_a_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "step.npz", step_of([0.25] * 4))
    assert main(["audit", path, "--json"]) == 1
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert printed == json.dumps(found, indent=2) + "\n"
    assert (found["schema"], found["verdict"], found["ok"]) == (1, "mean-of-means", False)
    assert [part["weight"] for part in found["parts"]] == pytest.approx([0.25] * 4, rel=1e-6)


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
                "step.npz must name its arrays accumulated/NAME, workers/0/NAME, before/NAME, "
                "after/NAME, learning_rate, parts/0/NAME, counts, full/NAME, groups, expect, "
                "also/WHAT, again/NAME, extra/WHAT/NAME, terms/WHAT/parts/0/NAME, "
                "terms/WHAT/counts, terms/WHAT/weight, not 'count'"
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
            ("step.npz must hold one of accumulated/…, workers/0/… or before/…, not none of them"),
        ),
        (
            lambda step: step.update({"before/w": PARTS[0]["w"], "workers/0/w": PARTS[0]["w"]}),
            (
                "step.npz must hold one of accumulated/…, workers/0/… or before/…, "
                "not accumulated and workers and before"
            ),
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


TERMS = "terms/WHAT/parts/0/NAME, terms/WHAT/counts, terms/WHAT/weight"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("terms/aux/weights", TERMS),
        ("terms/aux/weight/0", TERMS),
        ("terms/aux", TERMS),
        ("terms//counts", TERMS),
        ("terms", TERMS),
        ("expect/0", "expect"),
        ("groups/0", "groups"),
        ("counts/0", "counts"),
        ("learning_rate/0", "learning_rate"),
        ("also", "also/WHAT"),
        ("also/", "also/WHAT"),
        ("also/a/b", "also/WHAT"),
        ("extra", "extra/WHAT/NAME"),
        ("extra//w", "extra/WHAT/NAME"),
        ("parts", "parts/0/NAME"),
        ("workers", "workers/0/NAME"),
    ],
)
def test_an_array_that_nothing_would_read_is_refused(
    name: str, allowed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "step.npz", {**step_of(), name: np.ones(4)})
    assert main(["audit", path]) == UNUSABLE
    message = f"step.npz must name its arrays {allowed}, not {name!r}"
    assert capsys.readouterr() == ("", f"gradexplain: {message}\n")


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["accumulated", "parts/0"])
def test_a_gradient_is_one_array_or_several(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "step.npz", {**step_of(), name: np.ones(4)})
    assert main(["audit", path]) == UNUSABLE
    message = f"{name} must be one array or several, {name}/NAME, not both"
    assert capsys.readouterr().err == f"gradexplain: {message}\n"


def test_numbers_may_be_in_bfloat16(tmp_path: Path) -> None:
    weights = [0.5, 0.25, 0.125, 0.125]
    numbers = {"counts": COUNTS, "expect": weights, "groups": [0, 0, 1, 1]}
    step = step_of(weights)
    step |= {name: np.array(each, ml_dtypes.bfloat16) for name, each in numbers.items()}
    report = audit_file(write(tmp_path / "step.safetensors", step))
    assert report.claim == "A has the weights you gave."
    assert [part.count for part in report.parts] == COUNTS


def test_a_missing_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


GENERAL_HELP = """\
usage: gradexplain [-h] [--version] command ...

Which averages commute with the gradient.

positional arguments:
  command
    audit     find out how an accumulated gradient weighs its parts

options:
  -h, --help  show this help message and exit
  --version   show program's version number and exit
"""
AUDIT_HELP = f"""\
usage: gradexplain audit [-h] [--json] [--reduction {{mean,sum}}] [--expect {{target,part}}]
                         [--expect-factor S] [--arithmetic DTYPE]
                         file

Find out how an accumulated gradient weighs its parts.

positional arguments:
  file                  a .npz or .safetensors file

options:
  -h, --help            show this help message and exit
  --json                write the report as JSON
  --reduction {{mean,sum}}
                        whether each part is the gradient of a mean or of a sum
  --expect {{target,part}}
                        what should count alike (default: target)
  --expect-factor S     an intended factor
  --arithmetic DTYPE    the coarsest type computed in, such as tfloat32

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


def test_the_exit_statuses_are_those_of_the_help() -> None:
    said = HELP.partition("Exit status: ")[2].strip()
    assert said == "0 exact; 1 wrong; 2 the file or an option cannot be used; 3 cannot tell."
    assert UNUSABLE == 2


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip().endswith(version("gradexplain"))


@pytest.mark.parametrize(
    "options",
    [
        ["--reduction", "none"],
        ["--expect", "mean"],
        ["--expect-factor", "two"],
        ["--odd"],
    ],
)
def test_an_option_that_is_not_known_cannot_be_used(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", write(tmp_path / "step.npz", step_of()), *options])
    assert stopped.value.code == UNUSABLE
    assert "usage: " in capsys.readouterr().err


def test_an_option_that_the_audit_refuses_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "step.npz", step_of())
    assert main(["audit", path, "--arithmetic", "int8"]) == UNUSABLE
    assert main(["audit", path, "--expect-factor", "0"]) == UNUSABLE
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("gradexplain: arithmetic must be one of ")
    assert errors[1] == "gradexplain: expect_factor must be finite and not 0, not 0"


@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sys.executable).with_name("gradexplain"))],
        [sys.executable, "-m", "gradexplain"],
    ],
    ids=["gradexplain", "python -m gradexplain"],
)
def test_the_command_is_installed(command: list[str], tmp_path: Path) -> None:
    ran = subprocess.run([*command, "audit", "none.npz"], check=False, capture_output=True)
    assert (ran.returncode, b"none.npz" in ran.stderr) == (UNUSABLE, True)
    path = write(tmp_path / "step.npz", step_of([0.25] * 4))
    ran = subprocess.run([*command, "audit", path], check=False, capture_output=True)
    assert ran.returncode == 1
    assert ran.stdout.startswith(b"MEAN OF MEANS: ")
    assert b"usage: gradexplain " in subprocess.check_output([*command, "--help"])


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(options: list[str], tmp_path: Path) -> None:
    path = write(tmp_path / "step.npz", step_of([0.25] * 4))
    command = [sys.executable, "-m", "gradexplain", "audit", path, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ran:
        assert ran.stdout is not None
        assert ran.stderr is not None
        ran.stdout.close()  # before anything is written
        errors = ran.stderr.read()
    assert (ran.returncode, errors) == (1, b"")


# What a file can carry


AUX = random_parts(2, seed=11, dtype=np.float32)
ALIKE = [0.25] * 4


def named(at: str, gradient: Gradient) -> Arrays:
    return {f"{at}/{name}": np.asarray(value) for name, value in gradient.items()}


def without_a(step: Arrays) -> Arrays:
    return {name: array for name, array in step.items() if not name.startswith("accumulated")}


@both
def test_a_file_may_say_which_weights_are_meant(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    step = step_of([0.4, 0.3, 0.2, 0.1]) | {"expect": np.array([0.4, 0.3, 0.2, 0.1])}
    report = audit_file(write(path, step))
    assert (report.ok, report.intended) == (True, "given")
    with pytest.raises(
        ValueError, match=r"^step\.\w+ holds weights under 'expect', so leave out --expect part"
    ):
        audit_file(path, expect="part")


def test_options_are_those_of_the_call(tmp_path: Path) -> None:
    path = write(tmp_path / "step.npz", step_of(ALIKE))
    assert main(["audit", path]) == 1
    assert main(["audit", path, "--expect", "part"]) == 0
    assert main(["audit", path, "--expect", "target"]) == 1
    step = step_of(np.ones(4) / 135)
    for k, n in enumerate(COUNTS):
        step |= named(f"parts/{k}", times(PARTS[k], n))
    step |= named("accumulated", weighted(RIGHT, PARTS))
    path = write(tmp_path / "step.npz", step)
    assert main(["audit", path]) == 3
    assert main(["audit", path, "--reduction", "sum"]) == 0
    assert main(["audit", path, "--reduction", "mean"]) == 3


@both
def test_a_file_may_hold_other_counts(name: str, tmp_path: Path) -> None:
    sequences = np.array([3.0, 5.0, 4.0, 2.0])
    step = step_of(sequences / 14) | {"also/sequences": sequences, "also/boxes": np.arange(1.0, 5)}
    report = audit_file(write(tmp_path / name, step))
    assert report.notes[0] == "They are in proportion to sequences."


@both
def test_a_file_may_hold_a_gradient_per_worker(name: str, tmp_path: Path) -> None:
    step = without_a(step_of())
    step |= named("workers/0", weighted(RIGHT, PARTS)) | named("workers/1", weighted(RIGHT, PARTS))
    assert audit_file(write(tmp_path / name, step)).notes == (
        "All 2 workers end with the same gradient.",
    )
    step |= named("workers/1", weighted(ALIKE, PARTS))
    assert audit_file(write(tmp_path / name, step)).verdict is Verdict.WORKERS_DISAGREE
    del step["workers/0/w"]
    with pytest.raises(ValueError, match="must have the parameter 'w'"):
        audit_file(write(tmp_path / name, step))
    step = {n: array for n, array in step.items() if not n.startswith("workers/0")}
    with pytest.raises(
        ValueError, match=r"must hold workers/0, workers/1, … without a gap, not 1$"
    ):
        audit_file(write(tmp_path / name, step))


@both
def test_a_worker_s_gradient_may_be_one_array(name: str, tmp_path: Path) -> None:
    step: Arrays = {f"parts/{k}": part["w"] for k, part in enumerate(PARTS)}
    A = weighted(RIGHT, PARTS)["w"]
    step |= {"workers/0": A, "workers/1": A.copy(), "counts": np.array(COUNTS)}
    assert audit_file(write(tmp_path / name, step)).ok is True


@both
def test_a_file_may_hold_the_parameters_around_a_step(name: str, tmp_path: Path) -> None:
    theta = times(random_parts(1, seed=7, dtype=np.float32)[0], 0.1)
    A, rate = weighted(RIGHT, PARTS), 0.01
    after = {n: (theta[n] - np.float32(rate) * A[n]).astype(np.float32) for n in theta}
    step = without_a(step_of()) | named("before", theta) | named("after", after)
    step["learning_rate"] = np.array(rate)
    assert audit_file(write(tmp_path / name, step)).ok is True
    step["learning_rate"] = np.array([2 * rate])
    report = audit_file(write(tmp_path / name, step))
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(0.5, rel=1e-2)
    for odd in ([rate, rate], None):
        step.pop("learning_rate")
        if odd:
            step["learning_rate"] = np.array(odd)
        with pytest.raises(ValueError, match=r"must hold one number under 'learning_rate' beside"):
            audit_file(write(tmp_path / name, step))
    step["learning_rate"] = np.array(rate)
    step = {n: array for n, array in step.items() if not n.startswith("after")}
    with pytest.raises(ValueError, match=r"must hold 'after', but it has no such array$"):
        audit_file(write(tmp_path / name, step))


@both
def test_a_file_may_hold_further_terms(name: str, tmp_path: Path) -> None:
    A = weighted(RIGHT, PARTS)
    A = {n: (A[n] + 0.1 * AUX[0][n] + 0.4 * AUX[1][n]).astype(np.float32) for n in A}
    step = without_a(step_of()) | named("accumulated", A)
    step |= named("terms/aux/parts/0", AUX[0]) | named("terms/aux/parts/1", AUX[1])
    step["terms/aux/counts"] = np.array([1.0, 4.0])
    assert audit_file(write(tmp_path / name, step)).claim == "Each term is exact: loss and aux."
    step["terms/aux/weight"] = np.array(0.5)
    assert audit_file(write(tmp_path / name, step)).ok is True
    step["terms/aux/weight"] = np.array([0.25])
    report = audit_file(write(tmp_path / name, step))
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(2, rel=1e-5)
    del step["terms/aux/counts"]
    with pytest.raises(
        ValueError, match=r"must hold 'terms/aux/counts', but it has no such array$"
    ):
        audit_file(write(tmp_path / name, step))
    step["terms/aux/counts"] = np.array([1.0, 4.0])
    gap = {n.replace("aux/parts/1", "aux/parts/2"): array for n, array in step.items()}
    with pytest.raises(ValueError, match=r"must hold terms/aux/parts/0, terms/aux/parts/1, … "):
        audit_file(write(tmp_path / name, gap))


def test_a_report_is_printed_in_any_encoding(tmp_path: Path) -> None:
    step: dict[str, Any] = {
        f"parts/{k}/w": np.random.default_rng(k).standard_normal(50) for k in range(2)
    }
    step["accumulated/w"] = -(step["parts/0/w"] + step["parts/1/w"])
    np.savez(tmp_path / "step.npz", counts=[1, 3], **step)
    command = [sys.executable, "-m", "gradexplain", "audit", str(tmp_path / "step.npz")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"MEAN OF MEANS" in done.stdout


def test_what_an_encoding_lacks_is_printed_as_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, printed = write(tmp_path / "step.npz", step_of()), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))
    assert main(["audit", path]) == 0
    assert " angle 0?; " in printed.getvalue().decode("ascii")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("counts", np.ones((2, 1)), "counts must be one-dimensional, not of shape (2, 1)"),
        ("counts", np.array(["a", "b"]), "counts must hold real numbers, not <U1"),
        (
            "learning_rate",
            np.array(0.1),
            "step.npz must hold before/… beside 'learning_rate', not accumulated/…",
        ),
        (
            "after/w",
            np.ones(50),
            "step.npz must hold before/… beside 'after', not accumulated/…",
        ),
        (
            "terms/aux/weight",
            np.ones(2),
            "step.npz must hold one number under 'terms/aux/weight', not 2",
        ),
    ],
)
def test_what_a_file_cannot_mean_is_named(
    tmp_path: Path, name: str, value: Any, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {f"parts/{k}/w": np.ones(50) for k in range(2)} | {"accumulated/w": np.ones(50)}
    np.savez(tmp_path / "step.npz", **({"counts": np.array([1, 3]), **step} | {name: value}))
    assert main(["audit", str(tmp_path / "step.npz")]) == 2
    assert capsys.readouterr().err == f"gradexplain: {error}\n"


class Closed:
    """Standard output that cannot be written, which shows when it is flushed."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        raise self.error

    def fileno(self) -> int:
        return 123


def test_output_that_nobody_reads_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned: list[tuple[int, int]] = []
    monkeypatch.setattr("os.dup2", lambda *pair: turned.append(pair))
    monkeypatch.setattr(sys, "stdout", Closed(BrokenPipeError()))
    assert main(["audit", write(tmp_path / "step.npz", step_of())]) == 0
    ((nowhere, output),) = turned
    assert output == 123
    assert os.path.samestat(os.fstat(nowhere), Path(os.devnull).stat())
    assert os.write(nowhere, b"text") == 4
    os.close(nowhere)


def test_a_report_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Closed(OSError("the disk is full")))
    assert main(["audit", write(tmp_path / "step.npz", step_of())]) == UNUSABLE
    assert capsys.readouterr().err == "gradexplain: the disk is full\n"


def test_what_a_file_lacks_is_said_with_its_name(tmp_path: Path) -> None:
    rest = without_a(step_of())
    gap = {"workers/1/w": np.ones(3), **rest}
    before = {"before/w": np.ones(3), "learning_rate": np.array(0.1), **rest}
    term = {"terms/aux/counts": np.ones(4), **step_of()}
    for step, message in [
        (gap, "must hold workers/0, workers/1, … without a gap, not 1"),
        (before, "must hold 'after', but it has no such array"),
        (term, "must hold terms/aux/parts/0, terms/aux/parts/1, … without a gap, not none"),
        ({"terms/aux/parts/0/w": np.ones(3), **step_of()}, "must hold 'terms/aux/counts'"),
    ]:
        with pytest.raises(ValueError, match=f"^step.npz {message}"):
            audit_file(write(tmp_path / "step.npz", step))
