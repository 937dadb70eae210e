"""The audit: read off anybody's accumulated gradient how it weighs its parts."""

from gradexplain.audit.case import Verdict
from gradexplain.audit.check import assert_accumulates, audit_accumulation
from gradexplain.audit.report import Report
from gradexplain.audit.sketch import Sketch, sketch

__all__ = ["Report", "Sketch", "Verdict", "assert_accumulates", "audit_accumulation", "sketch"]
