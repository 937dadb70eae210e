"""Trainer divided each micro-batch's token mean by their number."""

from museum.exhibit import About, Played, Stage
from museum.trainers import llama, trained

ABOUT = About(
    project="huggingface/transformers",
    averaged="token means of micro-batches",
    address="https://github.com/huggingface/trl/issues/2175",
    reported="2024-10-04",
    state="closed",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    real="transformers 4.45.2, and 5.24.0: a tiny Llama in Trainer",
    before="2024",
    after="now",
    remark="Reported to TRL; fixed in transformers by #34198.",
)


def play(stage: Stage, *, right: bool) -> Played:
    del right  # the release decides
    return trained(stage, llama(stage))
