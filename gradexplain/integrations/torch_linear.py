"""Whether the objective is linear in the loop's losses; otherwise no weight can be read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_PRODUCTS = {"Mul", "Div", "Dot", "Mv", "Mm", "Bmm"}
_SUMS = {"Add", "Sub", "Rsub", "Neg", "Sum", "Nansum", "Mean", "Cumsum", "Lerp", "NanToNum"}
_CHOICES = {"Index", "IndexSelect", "Select", "Slice", "MaskedSelect", "MaskedFill", "Where"}
_CHOICES |= {"Gather", "Split", "SplitWithSizes", "Unbind", "ScatterAdd", "IndexAdd"}
_SHAPES = {"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Expand", "T", "Transpose"}
_SHAPES |= {"Permute", "Clone", "Alias", "ToCopy", "Stack", "Cat", "Copy", "CopySlices"}
_LINEAR = _PRODUCTS | _SUMS | _CHOICES | _SHAPES


def bent(losses: Sequence[Any], above: Mapping[Any, Sequence[Any]]) -> str | None:
    """Return the name of a node above the losses that is not linear in them, if there is one.

    Args:
        losses: the nodes of the losses.
        above: the nodes that use each node.
    """
    waiting, seen = list(losses), set(losses)
    while waiting:
        for node in above.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    for node in seen.difference(losses):
        kind = re.sub(r"Backwards?\d*$", "", node.name())
        factors = sum(below in seen for below, _ in node.next_functions)
        if kind not in _LINEAR or (kind in _PRODUCTS and factors > 1):
            return str(node.name())
    return None
