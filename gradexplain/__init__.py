"""gradexplain: which averages commute with the gradient."""

from gradexplain.activations import Activation, gelu, identity, relu, sigmoid, softplus, tanh
from gradexplain.audit import (
    PerWorker,
    Report,
    Sketch,
    Term,
    Update,
    Verdict,
    assert_accumulates,
    audit_accumulation,
    audit_mean,
    check_accumulation,
    sketch,
)
from gradexplain.gradients import batch_gradient, per_example_gradients, per_example_norms
from gradexplain.ledger import Ledger, gap_ledger
from gradexplain.line import Line
from gradexplain.losses import (
    Loss,
    logistic_loss,
    signed_error,
    softmax_cross_entropy,
    squared_error,
)
from gradexplain.means import compare_means, covariance
from gradexplain.network import MLP, Gradient, Trace, backprop, random_mlp
from gradexplain.shortcut import averaged_backprop

__all__ = [
    "MLP",
    "Activation",
    "Gradient",
    "Ledger",
    "Line",
    "Loss",
    "PerWorker",
    "Report",
    "Sketch",
    "Term",
    "Trace",
    "Update",
    "Verdict",
    "assert_accumulates",
    "audit_accumulation",
    "audit_mean",
    "averaged_backprop",
    "backprop",
    "batch_gradient",
    "check_accumulation",
    "compare_means",
    "covariance",
    "gap_ledger",
    "gelu",
    "identity",
    "logistic_loss",
    "per_example_gradients",
    "per_example_norms",
    "random_mlp",
    "relu",
    "sigmoid",
    "signed_error",
    "sketch",
    "softmax_cross_entropy",
    "softplus",
    "squared_error",
    "tanh",
]
