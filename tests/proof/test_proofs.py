"""What is said of a derivation, an identity or a claim about arrays that is none or is false."""

import numpy as np
import pytest

from proof.proofs import derivation_faults, identity_faults, number_faults
from proof.rules import RULES


@pytest.mark.parametrize(
    ("tex", "fault"),
    [
        (r"1 &= 1", r"a derivation is one \begin{align} … \end{align}"),
        (r"\begin{align} w &= w \end{align}", r"w&=w must be lhs &= rhs && \text{rule}"),
        (
            r"\begin{align} w &= w && \text{rearrange} \\ w &= w && \text{rearrange} \end{align}",
            r"w&=w&&\text{rearrange} must be &= rhs && \text{rule}",
        ),
        (
            r"\begin{align} w &\approx w && \text{rearrange} \end{align}",
            r"w&\approx w&&\text{rearrange} must be lhs &= rhs && \text{rule}",
        ),
        (
            r"\begin{align} w &= w && \text{rearrange} \\ \end{align}",
            r"nothing must be &= rhs && \text{rule}",
        ),
        (
            r"\begin{align} w &= 2 w - w && \text{reorder} \end{align}",
            f"step 1: no rule is called 'reorder': there are {', '.join(sorted(RULES))}, in 2w-w",
        ),
        (
            r"\begin{align} w &= 2 w - w && rearrange \end{align}",
            r"step 1: rearrange is no rule: write \text{…}, in 2w-w",
        ),
        (
            r"\begin{align} w &= 2 w - w && \text{definition of } w \end{align}",
            r"step 1: \text{definition of }w is no rule: nothing is defined so, in 2w-w",
        ),
        (
            r"\begin{align} 0 w &= w - w && \text{rearrange} \end{align}",
            "0w is zero, which shows nothing of w-w",
        ),
    ],
)
def test_a_derivation_that_is_none(tex: str, fault: str) -> None:
    assert list(derivation_faults("parameters w", tex)) == [fault]


def test_what_is_declared_must_be_used() -> None:
    tex = r"\begin{align} w &= 2 w - w && \text{rearrange} \end{align}"
    text = "data x_i, y_i; parameters w, v; r_i = y_i - w"
    assert list(derivation_faults(text, tex)) == [
        "r is declared but not used",
        "v is declared but not used",
        "x is declared but not used",
    ]


NO_ROW = "must be lhs &= rhs, or go on with &+, &- or &="


@pytest.mark.parametrize(
    ("tex", "faults"),
    [
        (r"(w + v)^2 = w^2 + 2 w v + v^2", []),
        (r"(w + v)^2 = w^2 + v^2", ["(w+v)^2 = w^2+v^2 is not so"]),
        (r"(w + v)^2 \neq w^2 + v^2", []),
        (r"(w + v)^2 \neq w^2 + 2 w v + v^2", [r"(w+v)^2 \neq w^2+2wv+v^2 is not so"]),
        (r"w = w = v", ["w = v is not so"]),
        (r"w \approx v", [r"an identity claims = or \neq, not \approx"]),
        (r"w v = v w \qquad w", ["w claims nothing"]),
        (r"w v - v w = w - w", ["wv-vw is zero, which shows nothing of w-w"]),
        (r"w v - v w = 0", []),
        (r"w = q", ["q is not declared"]),
        (r"\begin{aligned} 2 w &= w \\ &+ w \\ v &= v + v \\ &- v \\ &= 0 + v \end{aligned}", []),
        (
            r"\begin{aligned} 2 w &= w \\ &+ w \\ v &= v + v \\ &= 0 + v \end{aligned}",
            ["v = v+v is not so", "v+v = 0+v is not so"],
        ),
        (r"\begin{aligned} w &= w & v &= v \end{aligned}", [f"w&=w&v&=v {NO_ROW}"]),
        (r"\begin{aligned} w v = v w \end{aligned}", [f"wv=vw {NO_ROW}"]),
        (r"\begin{aligned} w &= v \\ w &+ v \end{aligned}", [f"w&+v {NO_ROW}"]),
        (r"\begin{aligned} &= w v \end{aligned}", [f"&=wv {NO_ROW}"]),
        (r"\begin{aligned} w v &= w v \\ \end{aligned}", [f"nothing {NO_ROW}"]),
    ],
)
def test_an_identity(tex: str, faults: list[str]) -> None:
    assert list(identity_faults("numbers w, v", tex)) == faults


@pytest.mark.parametrize(
    ("tex", "faults"),
    [
        (r"\bar x = \mathrm{E}[x]", []),
        (r"\mathrm{E}[f(x)] - f(\bar x) = \mathrm{Var}(x)", []),
        (r"W \mathrm{E}[a]^\top = \mathrm{E}[W a^\top]", []),
        (r"\mathrm{Cov}(a, a) = \mathrm{E}[a^\top a] - \mathrm{E}[a]^\top \mathrm{E}[a]", []),
        (r"\mathrm{E}[a \odot a] = \frac{1}{N} \sum_{i=1}^{N} a_i \odot a_i", []),
        (r"x_i^2 < 10 x_i", ["x_i^2 < 10x_i is not so"]),
        (r"x_i^2 \leq 10 x_i", []),
        (r"10 x_i \geq x_i^2", []),
        (r"10 x_i > x_i^2", ["10x_i > x_i^2 is not so"]),
        (r"\bar x \approx 1.1", []),
        (r"\bar x \approx 1.2", [r"\bar x \approx 1.2 is not so"]),
        (r"\bar x = 1.00000001", [r"\bar x = 1.00000001 is not so"]),
        (r"\bar x \neq 1.00000001", []),
        (r"\bar x \neq 1.0000000001", [r"\bar x \neq 1.0000000001 is not so"]),
        (r"\bar x - \bar x = 0", ["both sides are zero, which shows nothing"]),
        (r"\bar x = W", ["an array of shape () stands beside one of shape (2,)"]),
    ],
)
def test_numbers(tex: str, faults: list[str]) -> None:
    text = """N examples; x_i := x; a_i := a; W := W; f(z) := z**2; \\bar x := x.mean()"""
    namespace = {"x": np.array([0.0, 1.0, 2.0]), "a": np.arange(6.0).reshape(3, 2)}
    namespace["W"] = np.array([[3.0, -1.0]])
    found = [fault for fault in number_faults(text, tex, namespace) if "not used" not in fault]
    assert found == faults


def test_numbers_are_all_given() -> None:
    faults = list(number_faults("data x_i; y := 1", "y = x_i", {}))
    assert faults == ["x has no value: write x := …"]


def test_arrays_hold_the_same_examples() -> None:
    faults = list(number_faults("x_i := [1]; y_i := [1, 2]", "x_i = y_i", {}))
    assert faults == ["the arrays hold [1, 2] examples"]
