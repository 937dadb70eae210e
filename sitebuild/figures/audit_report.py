"""Audit report: the plot of a mean of means, as a user's report draws it."""

import numpy as np
from matplotlib.figure import Figure

from gradexplain import plotting
from gradexplain.audit import Report, audit_accumulation
from gradexplain.audit.tell.words import TITLES


def audit_report_data(seed: int = 0) -> Report:
    """Audit a mean of means over four parts of 40, 30, 20 and 10 targets."""
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((4, 100))
    return audit_accumulation(parts.mean(axis=0), list(parts), counts=[40, 30, 20, 10])


def audit_report() -> Figure:
    """Draw it."""
    found = audit_report_data()
    return plotting.audit_report(found.ratios, TITLES[found.verdict])
