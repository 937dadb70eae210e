"""Formulas are read whole or refused; what is declared says what they mean."""

import re

import pytest

from proof.declared import declared
from proof.latex import read, shown, tokens
from proof.proofs import derivation_faults, value_fault

UNREADABLE = [
    (r"\frac{1}{N} \sum_i x_i", "i stands where { should"),
    (r"\mathbb{E}[x]", r"\mathbb is not declared"),
    (r"\operatorname{E}[x]", r"\operatorname is not declared"),
    (r"\mathrm{E}(x)", "( stands where [ should"),
    (r"\bar x", r"\bar is not declared"),
    ("w^1 k", "k is not declared"),
    ("w^12", "12 needs braces: TeX would raise its first digit only"),
    ("x_12", "12 needs braces: TeX would lower its first digit only"),
    ("x_j", "j stands where i should"),
    ("2 3", "3 would be read as a digit of the number before it"),
    ("x_i(2)(", ") is missing"),
    (r"\sum_{i=1}^{N} x_i \sum_{i=1}^{N} x_i", "i is summed over twice"),
    ("(w]", "] closes no bracket of its kind"),
    (r"\true{w^} 2", "} closes no bracket of its kind"),
    (r"\true{w & w}", "& stands where } should"),
    (r"(w \\ w)", r"\\ stands where ) should"),
    (r"\left(w)", ") closes no bracket of its kind"),
    (r"\true w", r"\true must be followed by {…}"),
    ("w + ", "the end stands where a number or name should"),
    ("w + + w", "+ stands where a number or name should"),
    ("w ()", ") stands where a number or name should"),
    ("w = w", "= stands where a number or name should"),
    ("w # w", "# is no part of the declared LaTeX"),
    ("g", "the end stands where ( should"),
    ("w^g(w)", "the end stands where ( should"),
    ("g(w, w)", "g takes 1 arguments"),
    (r"\frac12", "12 stands where { should"),
    (r"\nabla w w", "what is differentiated needs brackets around the whole of it"),
    (r"\nabla (w)^2", "what is differentiated needs brackets around the whole of it"),
    (
        r"\frac{\partial}{\partial w} \sum_{i=1}^{N} x_i",
        "what is differentiated needs brackets around the whole of it",
    ),
    (r"\frac{\partial}{\partial k} (w)", "k is not declared"),
    (r"w \odot w w", r"\odot needs one factor on each side, in brackets"),
]


@pytest.mark.parametrize(("latex", "message"), UNREADABLE)
def test_what_cannot_be_read_is_named(latex: str, message: str) -> None:
    symbols = declared(r"N examples; data x_i; parameters w; functions g(\cdot)")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(tokens(latex), symbols)


MEANINGLESS = [
    ("x", "x needs its index outside a mean"),
    ("x_0", "x has no example 0"),
    ("x_3", "x has no example 3"),
    (r"\sum_{i=w}^{N} x_i", "the limits of a sum must be whole numbers or N"),
    (r"\frac{\partial}{\partial c} (c)", "c is no parameter to differentiate by"),
    (r"\nabla (w t_1)", "a vector stands where a number should, or the reverse"),
    (r"w + \nabla (w)", "a vector stands where a number should, or the reverse"),
    (r"w^\top", r"\odot and \top are for arrays, and so for numbers:"),
    ("p", "p := … belongs in numbers:"),
]


@pytest.mark.parametrize(("latex", "message"), MEANINGLESS)
def test_what_has_no_meaning_is_named(latex: str, message: str) -> None:
    text = r"N examples; data x_i; numbers c; parameters w, v; t_i = \nabla (w x_i); p := 1"
    assert value_fault(text, tokens("w"), tokens(latex)) == f"{message}, in {shown(tokens(latex))}"


UNDECLARABLE = [
    ("data x", "x should look like x_i"),
    ("numbers x_i", "x_i should look like m"),
    ("numbers 2", "2 should look like m"),
    ("functions g", r"g should look like g(\cdot) or \ell_i(\cdot)"),
    ("functions g(x)", r"g(x) should look like g(\cdot) or \ell_i(\cdot)"),
    (r"g(\cdot) = 2", r"g(\cdot) should look like r, r_i or f(x)"),
    ("f(x) = 2", "f(x) does not use x"),
    ("f(x) = x + y", "y is not declared"),
    ("f = f", "f is not declared"),
    ("numbers m; parameters m", "m is declared twice"),
    (
        "constants m",
        "'constants m' declares nothing: say data, numbers, parameters, vector, functions or a = b",
    ),
]


@pytest.mark.parametrize(("text", "message"), UNDECLARABLE)
def test_what_cannot_be_declared_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        declared(text)
    assert list(derivation_faults(text, r"\begin{align}\end{align}")) == [message]


def test_three_does_not_stand_for_every_batch() -> None:
    text = "N examples; data x_i"
    mean, third = (rf"\frac{{1}}{{{n}}} \sum_{{i=1}}^{{N}} x_i" for n in ("N", "3"))
    assert not value_fault(text, tokens(mean), tokens(r"\mathrm{E}[x]"))
    assert value_fault(text, tokens(third), tokens(r"\mathrm{E}[x]"))


def test_a_gradient_is_a_vector() -> None:
    """Only one of its parts is equal here."""
    text = r"parameters u, v"
    assert value_fault(text, tokens(r"\nabla (u v + u)"), tokens(r"\nabla (u v + v)"))
    assert value_fault(text, tokens(r"\nabla (u^2)"), tokens(r"\nabla (u^2 + v)"))
