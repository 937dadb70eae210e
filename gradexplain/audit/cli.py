"""`gradexplain audit step.npz`: the audit of one step, from a file that any framework can write."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from gradexplain.audit.api import audit_accumulation
from gradexplain.audit.given import PerWorker, Term, Update
from gradexplain.audit.read.files import Stored, open_arrays
from gradexplain.audit.read.tensors import Tensor
from gradexplain.audit.tell.report import Report

HELP = """\
The file holds the gradients of one optimizer step, by name:

  accumulated/NAME   what the optimizer was handed, for each parameter NAME
  parts/0/NAME …     the gradient of each part's own mean loss, at the same parameters
  counts             how many targets each part's mean is over
  full/NAME          optional: the gradient of the whole batch's loss
  groups             optional: a number per part, such as its worker
  expect             optional: the intended weights, a number per part
  also/WHAT          optional: other counts, such as sequences, a number per part
  again/NAME         optional: the first part, computed again
  extra/WHAT/NAME    optional: other gradients that A may contain, such as the parameters

Instead of accumulated/NAME, one gradient per worker, or the parameters around a step of plain SGD:
  workers/0/NAME …
  before/NAME, after/NAME, learning_rate

Further terms of the loss, each with counts of its own:
  terms/WHAT/parts/0/NAME …, terms/WHAT/counts, terms/WHAT/weight (optional)

PyTorch, after a backward pass of each part alone (zero the gradients before it):
  trained = [(n, p) for n, p in model.named_parameters() if p.grad is not None]
  step |= {f"parts/{k}/{n}": p.grad.clone() for n, p in trained}
and in the loop to be audited, before its optimizer steps:
  step |= {f"accumulated/{n}": p.grad for n, p in trained}
  step["counts"] = torch.tensor(counts)
  safetensors.torch.save_file(step, "step.safetensors")

JAX:
  def named(prefix, tree):
      return {prefix + jax.tree_util.keystr(path): np.asarray(leaf, np.float32)
              for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
  step = named("accumulated/", grads) | {"counts": np.array(counts)}
  for k, g in enumerate(part_grads): step |= named(f"parts/{k}/", g)
  np.savez("step.npz", **step)

Keras (TensorFlow), with gradients as lists in the order of model.trainable_variables:
  def named(prefix, tensors):
      return {f"{prefix}/{i}": np.array(tf.convert_to_tensor(g)) for i, g in enumerate(tensors)}
  step = named("accumulated", grads) | {"counts": np.array(counts)}
  for k, g in enumerate(part_grads): step |= named(f"parts/{k}", g)
  np.savez("step.npz", **step)

Exit status: 0 exact; 1 wrong; 2 the file or an option cannot be used; 3 cannot tell.
"""


UNUSABLE = 2  # as argparse has it
STATUS = {True: 0, False: 1, None: 3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = vars(_parser().parse_args(arguments))
    as_json, path = options.pop("json"), options.pop("file")
    try:
        report = audit_file(path, **options)
    except (OSError, TypeError, ValueError) as error:
        print(f"gradexplain: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return UNUSABLE
    text = json.dumps(report.to_dict(), indent=2) if as_json else str(report)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201 - a command prints
    except BrokenPipeError:  # the reader has seen enough, as in `| head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"gradexplain: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return UNUSABLE
    return STATUS[report.ok]


def audit_file(
    path: str | Path,
    *,
    reduction: Literal["mean", "sum"] = "mean",
    expect: str | None = None,
    expect_factor: float = 1.0,
    arithmetic: str | None = None,
) -> Report:
    """Audit the step in a .npz or .safetensors file; `main`'s help says how to name its arrays.

    Args:
        path: the file.
        reduction: as for `audit_accumulation`, as are the next three.
        expect: "target" or "part"; weights come from the file.
        expect_factor: an intended factor.
        arithmetic: the coarsest type computed in.

    Raises:
        OSError: there is no such file, or it can't be read.
        TypeError: as for `audit_accumulation`.
        ValueError: as for `audit_accumulation`, or the file is damaged or lacks what is needed.

    >>> import tempfile
    >>> import numpy as np
    >>> from gradexplain.audit.cli import audit_file
    >>> rng = np.random.default_rng(0)
    >>> step = {f"parts/{k}/w": rng.standard_normal(100) for k in range(2)}
    >>> step["accumulated/w"] = step["parts/0/w"] + step["parts/1/w"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/step.npz", counts=[10, 90], **step)
    ...     print(audit_file(f"{folder}/step.npz").claim)
    A weighs every part alike, times 2.
    """
    step, file = open_arrays(path), Path(path).name
    strange = next((name for name in step if not _READ.fullmatch(name)), None)
    if strange is not None:
        first = strange.split("/")[0]
        near = [name for name in _NAMES if name.split("/")[0] == first] or _NAMES
        raise ValueError(f"{file} must name its arrays {', '.join(near)}, not {strange!r}")
    weights = _numbers(step, "expect")
    if weights is not None and expect is not None:
        raise ValueError(f"{file} holds weights under 'expect', so leave out --expect {expect}")
    return audit_accumulation(
        _accumulated(step, file),
        _numbered(step, "parts", file),
        counts=_numbers(step, "counts"),
        full=step.under("full") or None,
        reduction=reduction,
        groups=_numbers(step, "groups"),
        terms={what: _term(step, what, file) for what in _inside(step, "terms")},
        also={what: _numbers(step, f"also/{what}") or [] for what in _inside(step, "also")},
        again=step.under("again") or None,
        extra={what: step.under(f"extra/{what}") for what in _inside(step, "extra")},
        expect=weights if weights is not None else expect or "target",
        expect_factor=expect_factor,
        arithmetic=arithmetic,
    )


_NAMES = (
    *("accumulated/NAME", "workers/0/NAME", "before/NAME", "after/NAME", "learning_rate"),
    *("parts/0/NAME", "counts", "full/NAME", "groups", "expect", "also/WHAT", "again/NAME"),
    *("extra/WHAT/NAME", "terms/WHAT/parts/0/NAME", "terms/WHAT/counts", "terms/WHAT/weight"),
)
#: A gradient may be one array, without a NAME; `_numbered` checks the numbers.
_READ = re.compile(
    "|".join(_NAMES).replace("/NAME", "(/.*)?").replace("WHAT", "[^/]+").replace("0", "[^/]*")
)


def _accumulated(step: Stored, file: str) -> object:
    """Return A, in whichever of its three forms the file has it."""
    forms = [name for name in ("accumulated", "workers", "before") if step.under(name)]
    if len(forms) != 1:
        given = " and ".join(forms) or "none of them"
        raise ValueError(
            f"{file} must hold one of accumulated/…, workers/0/… or before/…, not {given}"
        )
    stray = next((n for n in ("after", "learning_rate") if step.under(n)), None)
    if forms != ["before"] and stray is not None:
        raise ValueError(f"{file} must hold before/… beside {stray!r}, not {forms[0]}/…")
    if forms == ["workers"]:
        return PerWorker(_numbered(step, "workers", file))
    if forms == ["before"]:
        rate = _numbers(step, "learning_rate")
        if rate is None or len(rate) != 1:
            raise ValueError(f"{file} must hold one number under 'learning_rate' beside before/…")
        return Update(step.under("before"), _needed(step, "after", file), rate[0])
    return step.under("accumulated")


def _term(step: Stored, what: str, file: str) -> Term:
    weight = _numbers(step, f"terms/{what}/weight")
    if weight is not None and len(weight) != 1:
        raise ValueError(
            f"{file} must hold one number under 'terms/{what}/weight', not {len(weight)}"
        )
    counts = _numbers(step, f"terms/{what}/counts")
    if counts is None:
        raise ValueError(f"{file} must hold 'terms/{what}/counts', but it has no such array")
    parts = _numbered(step, f"terms/{what}/parts", file)
    return Term(parts, counts, None if weight is None else weight[0])


def _inside(step: Stored, prefix: str) -> list[str]:
    """Return the names that follow a prefix, each once."""
    return list(dict.fromkeys(name.split("/")[1] for name in step if name.startswith(f"{prefix}/")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradexplain", description="Which averages commute with the gradient."
    )
    parser.add_argument("--version", action="version", version=version("gradexplain"))
    commands = parser.add_subparsers(required=True, metavar="command")
    audit = commands.add_parser(
        "audit",
        help="find out how an accumulated gradient weighs its parts",
        description="Find out how an accumulated gradient weighs its parts.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audit.add_argument("file", help="a .npz or .safetensors file")
    audit.add_argument("--json", action="store_true", help="write the report as JSON")
    audit.add_argument(
        "--reduction",
        choices=("mean", "sum"),
        default="mean",
        help="whether each part is the gradient of a mean or of a sum",
    )
    audit.add_argument(
        "--expect",
        choices=("target", "part"),
        help="what should count alike (default: target)",
    )
    audit.add_argument(
        "--expect-factor", type=float, default=1.0, metavar="S", help="an intended factor"
    )
    audit.add_argument(
        "--arithmetic", metavar="DTYPE", help="the coarsest type computed in, such as tfloat32"
    )
    return parser


def _needed(step: Stored, name: str, file: str) -> Stored:
    found = step.under(name)
    if not found:
        raise ValueError(f"{file} must hold {name!r}, but it has no such array")
    return found


def _numbered(step: Stored, prefix: str, file: str) -> list[Stored]:
    """Return prefix/0, prefix/1, …, none missing."""
    depth = prefix.count("/") + 1
    found = {name.split("/")[depth] for name in step if name.startswith(f"{prefix}/")}
    places = [str(k) for k in range(len(found))]
    if not found or found != set(places):
        raise ValueError(
            f"{file} must hold {prefix}/0, {prefix}/1, … without a gap, "
            f"not {', '.join(sorted(found)) or 'none'}"
        )
    return [step.under(f"{prefix}/{k}") for k in places]


def _numbers(step: Stored, name: str) -> list[float] | None:
    """Return the numbers of a one-dimensional array, or of a single number.

    Raises:
        TypeError: they are not real numbers.
        ValueError: the array has more dimensions.
    """
    if name not in step:
        return None
    found = step[name]
    if isinstance(found, Tensor):  # bfloat16, widened
        found = found.flat.reshape(found.shape)
    values = np.atleast_1d(np.asarray(found))
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {values.shape}")
    return [float(value) for value in values]
