"""By what a scalar loss was multiplied before it was tapped, and which mean or sum it is."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

SHAPES = {
    "ViewBackward0",
    "UnsafeViewBackward0",
    "ReshapeAliasBackward0",
    "SqueezeBackward0",
    "ToCopyBackward0",
}
_MEANS = {"MeanBackward0", "MeanBackward1"}
_SUMS = {"SumBackward0", "SumBackward1"}
_SAME = {*SHAPES, "NegBackward0", "CloneBackward0"}
_PRODUCTS = {"MulBackward0", "DivBackward0"}
#: Below a mean, they show that its elements may be no targets' own losses.
_REDUCED = _MEANS | _SUMS | {"StackBackward0", "CatBackward0"}
_SUM = 2  # of the reductions that a loss's node saves
_SQUARES = {"PowBackward0", "MseLossBackward0"}


@dataclass(frozen=True, eq=False)
class Scaled:
    """A mean or a sum, times some constants."""

    node: Any  # the first one below the constants, in autograd's graph
    factors: tuple[tuple[Tensor, int], ...]  # copies, read at the end; each with its power

    @property
    def size(self) -> int | None:
        """How many elements are reduced; None if the node is no reduction, or one of reductions."""
        size = _size(self.node)
        return None if size is None or _elements(self.node).name() in _REDUCED else size

    @property
    def summed(self) -> bool:
        """Whether the loss is a sum."""
        reduction = getattr(self.node, "_saved_reduction", None)
        return (self.size is not None and self.node.name() in _SUMS) or reduction == _SUM

    @property
    def halved(self) -> bool:
        """Whether it is half a squared error."""
        made = _elements(self.node) if _size(self.node) else self.node
        squared = made is not None and made.name() in _SQUARES
        return squared and len(self.factors) == 1 and self._product() == 0.5

    def times(self) -> float | None:
        """Return the product of the constants, if they scale a mean or a sum of losses."""
        known = self.size is not None or hasattr(self.node, "_saved_reduction")
        return self._product() if known else None

    def _product(self) -> float | None:
        """Return the product of the constants; None after a division by 0."""
        numbers = [(float(one), power) for one, power in self.factors]
        if any(one == 0 and power < 0 for one, power in numbers):
            return None
        return math.prod(one**power for one, power in numbers)


def scaled(loss: Tensor) -> Scaled:
    """Return what a scalar loss is a multiple of."""
    node, factors = loss.grad_fn, []
    while node is not None:
        if node.name() in _PRODUCTS:
            found = _constant(node)
            if found is None:
                break
            index, value, power = found
            factors.append((value.detach().clone(), power))
        elif node.name() in _SAME or _size(node) == 1:
            index = 0
        elif (place := _beside_a_constant(node)) is not None:
            index = place
        else:
            break
        node = node.next_functions[index][0]
    return Scaled(node, tuple(factors))


def squares(node: Any) -> int | None:  # noqa: ANN401 - a node of autograd's graph
    """Return how many squared differences a node is the mean of, if their targets are fixed."""
    if node.name() not in _MEANS or not node.next_functions[0][0]:
        return None
    power = node.next_functions[0][0]
    if power.name() != "PowBackward0" or power._saved_exponent != 2:  # noqa: SLF001 - torch's own
        return None
    less = power.next_functions[0][0]
    if less is None or less.name() != "SubBackward0":
        return None
    made = [below for below, _ in less.next_functions if below is not None]
    fixed = len(made) == 1 and bool(made[0].next_functions)  # a parameter's own penalty is none
    whole = math.prod(node._saved_self_sym_sizes)  # noqa: SLF001 - torch's own
    over = getattr(node, "_saved_dim", None)
    every = over is None or len(over) == len(node._saved_self_sym_sizes)  # noqa: SLF001 - torch's own
    return whole if fixed and every else None


def by_a_constant(node: Any) -> bool:  # noqa: ANN401 - a node of autograd's graph
    """Tell whether a node multiplies, or divides, by what needs no gradient."""
    factors = [below for below, _ in node.next_functions if below is not None]
    return node.name() in _PRODUCTS and len(factors) == 1


def _constant(node: Any) -> tuple[int, Tensor, int] | None:  # noqa: ANN401 - a node of autograd's graph
    """Return the place of a product's loss, and its other factor with its power."""
    (left, _), (right, _) = node.next_functions
    power = -1 if node.name() == "DivBackward0" else 1
    if (left is None) == (right is None) or (left is None and power < 0):
        return None
    other = node._saved_other if right is None else node._saved_self  # noqa: SLF001 - torch's own
    whole = other is not None and other.numel() == 1
    return (int(left is None), other, power) if whole else None


def _beside_a_constant(node: Any) -> int | None:  # noqa: ANN401 - a node of autograd's graph
    """Return the place of a sum's loss, if all that is added to it needs no gradient."""
    if node.name() != "AddBackward0":
        return None
    places = [place for place, (below, _) in enumerate(node.next_functions) if below is not None]
    plain = len(places) == 1 and node._saved_alpha == 1  # noqa: SLF001 - torch's own
    return places[0] if plain else None


def _size(node: Any) -> int | None:  # noqa: ANN401 - a node of autograd's graph
    """Return how many elements a node reduces to one; None if it does not."""
    if node is None or node.name() not in _MEANS | _SUMS:
        return None
    return math.prod(node._saved_self_sym_sizes)  # noqa: SLF001 - torch's own


def _elements(node: Any) -> Any:  # noqa: ANN401 - a node of autograd's graph
    """Return what made the elements that a node reduces, past masks, signs and shapes."""
    while True:
        made = [below for below, _ in node.next_functions if below is not None]
        if len(made) != 1:
            return node
        node = made[0]
        if node.name() not in _SAME | _PRODUCTS:
            return node
