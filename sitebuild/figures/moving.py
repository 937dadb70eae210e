"""What a figure that moves hands to its page beside the drawing: words, buttons and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from gradexplain.plotting import number


@dataclass(frozen=True)
class Moving:
    """A figure module whose constant MOVING is one of these is moved by docs/assets/figures/*.js.

    `buttons` gives each button's state, as the address writes it; the first one is the drawing's
    own. An empty place in a state keeps what stands there. `choices` are further buttons in named
    rows, one of each row pressed. `given` is what the script may not invent: the data, the rates,
    the limits.
    """

    hint: str
    buttons: Mapping[str, str]
    given: Mapping[str, object]
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def two(value: float, form: str = ".2f") -> str:
    """Write two decimals, halves up, so that Python and JavaScript round a half alike."""
    return number(value + 1e-9, form)


def rounded(values: ArrayLike, digits: int = 7) -> object:
    """Return numbers for a script, so fine that they round to three decimals as the exact ones."""
    return (np.round(np.asarray(values, float), digits) + 0.0).tolist()
