"""Weights against what they should be: a table of parts goes in, one finding comes out.

The judge knows no framework, no file and no words. A `Case` is what it is given: weights read
off gradients, with what only gradients show as evidence; or weights read where the loss hands them
out.
"""

from gradexplain.audit.judge.case import Case, Evidence, Finding, Note, Parts, Verdict
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.judge.weights import Weights, directly_read

__all__ = [
    "Case",
    "Evidence",
    "Finding",
    "Note",
    "Parts",
    "Verdict",
    "Weights",
    "decide",
    "directly_read",
]
