"""Who is compared with whom, on what, and which ratio is the goal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.cases import Case

PLAIN, BEST = "as it comes", "at its best"
Goals = Mapping[str, float | None]  # by how the peer runs; None is measured without a goal
LARGE = ("S", "M")
CURVED = (*LARGE, "S tanh")


def nets(*names: str) -> tuple[Case, ...]:
    return tuple(Case(name, dtype) for name in names for dtype in ("float32", "float64"))


NETS = nets("S", "M", "T")
# The per-example gradients of M in float64 are 2.7 GB: too long to write for what they would tell.
EACH = tuple(case for case in NETS if case != Case("M", "float64"))
LONG = (Case(P=10_000_000, K=8),)


@dataclass(frozen=True, eq=False)
class Against:
    """One of our works against one way to do it; ours may take `goals` of its time at most."""

    work: str  # a function in ours.py
    peer: str  # where it is done: ours, jax or torch
    way: str  # a function there
    words: str
    goals: Goals
    cases: tuple[Case, ...]
    checked: bool = field(default=True, kw_only=True)  # whether both must give the same


def both(goal: float) -> Goals:
    return {PLAIN: goal, BEST: goal}


AGAINST = (
    Against(
        "batch_gradient",
        "ours",
        "matrix_products",
        "its matrix products alone",
        {PLAIN: 1.15},
        nets(*CURVED),
        checked=False,
    ),
    Against("batch_gradient", "jax", "jit_grad", "JAX jit(grad)", both(1.1), nets(*CURVED)),
    Against("batch_gradient", "jax", "jit_grad", "JAX jit(grad), T", both(0.6), nets("T")),
    Against("batch_gradient", "torch", "autograd", "PyTorch autograd", both(1.0), nets(*CURVED)),
    Against("batch_gradient", "torch", "autograd", "PyTorch autograd, T", both(0.3), nets("T")),
    Against(
        "per_example_gradients",
        "ours",
        "writing",
        "writing that much memory",
        {PLAIN: 1.5},
        tuple(case for case in EACH if case.network != "T"),
        checked=False,
    ),
    Against(
        "per_example_gradients",
        "jax",
        "jit_vmap_grad",
        "JAX jit(vmap(grad))",
        {PLAIN: 0.5, BEST: 1.2},
        EACH,
    ),
    *(
        Against("per_example_gradients", "torch", way, words, {PLAIN: 0.5, BEST: None}, EACH)
        for way, words in (
            ("func", "torch.func vmap(grad)"),
            ("backpack_gradients", "BackPACK BatchGrad"),
            ("opacus_gradients", "Opacus GradSampleModule"),
        )
    ),
    Against(
        "per_example_norms", "torch", "opacus_ghost_norms", "Opacus ghost norms", both(0.4), NETS
    ),
    Against("per_example_norms", "torch", "backpack_norms", "BackPACK L2", both(0.4), NETS),
    Against("per_example_norms", "jax", "norms_by_hand", "JAX by hand", both(1.2), NETS),
    Against("per_example_norms", "jax", "norms_by_vmap", "JAX vmap(grad)", both(0.1), NETS),
    Against(
        "gap_ledger",
        "ours",
        "batch_gradient",
        "one batch gradient",
        {PLAIN: 3.0},
        NETS,
        checked=False,
    ),
    Against(
        "audit", "ours", "reading", "reading the gradients once", {PLAIN: 7.0}, LONG, checked=False
    ),
    Against("audit", "ours", "stack_and_lstsq", "stacking and lstsq", {PLAIN: 0.1}, LONG),
    Against("sketch", "ours", "dot_product", "one dot product", {PLAIN: 4.0}, LONG, checked=False),
)

MEMORY = {"audit": 1_500_000, "sketch": 1_000_000}  # bytes, at most, beside the gradients


@dataclass(frozen=True)
class Growth:
    """A work on ever larger cases; `goal` is its time over that of linear growth from the first."""

    work: str
    of: str  # the field of Case that is doubled
    cases: tuple[Case, ...]
    goal: float | None


def growths(most: int) -> tuple[Growth, ...]:
    """Return what is doubled, gradients up to `most` numbers: the longest first, to be drawn."""
    lengths = [most >> k for k in reversed(range(7))]
    return (
        Growth("batch_gradient", "N", tuple(Case("S", N=256 << k) for k in range(6)), goal=1.1),
        Growth("audit", "P", tuple(Case(P=P, K=8) for P in lengths), goal=1.1),
        Growth("sketch", "P", tuple(Case(P=P, K=8) for P in lengths), goal=1.1),
        Growth("audit", "K", tuple(Case(P=1_000_000, K=K) for K in (4, 8, 16, 32, 64)), goal=None),
    )
