"""`gradexplain audit step.npz`: the audit of one step, from a file that any framework can write."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradexplain.audit.check import audit_accumulation
from gradexplain.audit.files import Stored, open_arrays
from gradexplain.audit.report import Report

HELP = """\
The file holds the gradients of one optimiser step, by name:

  accumulated/NAME   what the optimiser was handed, for each parameter NAME
  parts/0/NAME …     the gradient of each part's own mean loss, at the same parameters
  counts             how many targets each part's mean is over
  full/NAME          optional: the gradient of the whole batch's loss
  groups             optional: a number per part, such as its worker
  again/NAME         optional: the first part computed once more
  extra/WHAT/NAME    optional: other gradients that may be in it, such as the parameters

PyTorch, collecting after each backward pass of a part by itself (zero the gradients before it):
  step |= {f"parts/{k}/{n}": p.grad.clone() for n, p in model.named_parameters()}
and, of the loop that is to be audited, before its optimiser steps:
  step |= {f"accumulated/{n}": p.grad for n, p in model.named_parameters()}
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

Exit status: 0 exact; 1 wrong or unexplained; 2 can't tell, or the file can't be used.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        report = audit_file(options.file, options.expect_factor, options.arithmetic)
    except (OSError, TypeError, ValueError) as error:
        print(f"gradexplain: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    text = json.dumps(report.to_dict(), indent=2) if options.json else str(report)
    print(text)  # noqa: T201 - a command prints
    return report.code


def audit_file(
    path: str | Path, expect_factor: float = 1.0, arithmetic: str | None = None
) -> Report:
    """Audit the step that a .npz or .safetensors file holds; `main`'s help says how it is named.

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
    ...     print(audit_file(f"{folder}/step.npz").says)
    A weighs every part alike, times 2.
    """
    step = open_arrays(path)
    known = ("accumulated", "parts", "counts", "full", "groups", "again", "extra")
    strange = next((name for name in step if name.split("/")[0] not in known), None)
    if strange is not None:
        raise ValueError(
            f"{Path(path).name} must name its arrays accumulated/…, parts/0/…, counts, full/…, "
            f"groups, again/… or extra/…/…, not {strange!r}"
        )
    extra = dict.fromkeys(name.split("/")[1] for name in step if name.startswith("extra/"))
    return audit_accumulation(
        _needed(step, "accumulated", path),
        _parts(step, path),
        counts=_numbers(step, "counts"),
        full=step.under("full") or None,
        groups=_numbers(step, "groups"),
        again=step.under("again") or None,
        extra={name: step.under(f"extra/{name}") for name in extra},
        expect_factor=expect_factor,
        arithmetic=arithmetic,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradexplain", description="Which averages commute with the gradient."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    audit = commands.add_parser(
        "audit",
        help="read off an accumulated gradient how it weighs its parts",
        description="Read off an accumulated gradient how it weighs its parts.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audit.add_argument("file", help="a .npz or .safetensors file")
    audit.add_argument("--json", action="store_true", help="write the report as JSON")
    audit.add_argument(
        "--expect-factor", type=float, default=1.0, metavar="S", help="a factor that is meant"
    )
    audit.add_argument(
        "--arithmetic", metavar="DTYPE", help="the coarsest computed in, such as tfloat32"
    )
    return parser


def _needed(step: Stored, name: str, path: str | Path) -> Stored:
    found = step.under(name)
    if not found:
        raise ValueError(f"{Path(path).name} must hold {name!r}, but it has no such array")
    return found


def _parts(step: Stored, path: str | Path) -> list[Stored]:
    """Return parts/0, parts/1, …, none missing."""
    found = {name.split("/")[1] for name in step if name.startswith("parts/")}
    places = [str(k) for k in range(len(found))]
    if not found or found != set(places):
        raise ValueError(
            f"{Path(path).name} must hold parts/0, parts/1, … without a gap, "
            f"not {', '.join(sorted(found)) or 'none'}"
        )
    return [step.under(f"parts/{k}") for k in places]


def _numbers(step: Stored, name: str) -> list[float] | None:
    if name not in step:
        return None
    return [float(value) for value in np.atleast_1d(np.asarray(step[name])).tolist()]


if __name__ == "__main__":
    sys.exit(main())
