"""The audit: find out how an accumulated gradient weighs its parts.

A gradient goes one way through three rooms. `read` streams gradients into inner products and solves
them for weights, `judge` compares weights with what they should be and comes to one finding, `tell`
puts the finding into words. `api.py` leads it through; `given.py` checks what a user says of it;
`functions.py` and `scalars.py` are doors for those who have functions, or only losses.
"""

from gradexplain.audit.api import assert_accumulates, audit_accumulation
from gradexplain.audit.functions import check_accumulation
from gradexplain.audit.given import PerWorker, Term, Update
from gradexplain.audit.judge.case import Verdict
from gradexplain.audit.read.sketches import Sketch, sketch
from gradexplain.audit.scalars import audit_mean
from gradexplain.audit.tell.report import Report

__all__ = [
    "PerWorker",
    "Report",
    "Sketch",
    "Term",
    "Update",
    "Verdict",
    "assert_accumulates",
    "audit_accumulation",
    "audit_mean",
    "check_accumulation",
    "sketch",
]
