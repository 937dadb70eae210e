"""Heads that take **kwargs and drop the count are not divided at all."""

from museum.exhibit import About, Played, Stage
from museum.trainers import bert, classified

ABOUT = About(
    project="huggingface/transformers",
    averaged="micro-batch means, summed",
    address="https://github.com/huggingface/transformers/issues/47688",
    reported="2026-07-31",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=4.0,
    real="transformers 5.24.0: a tiny BertForSequenceClassification in Trainer",
    remark=(
        "Right once the model says accepts_loss_kwargs = False, since its micro-batches are equal."
    ),
)


def play(stage: Stage, *, right: bool) -> Played:
    model = bert(stage)
    if right:
        model.accepts_loss_kwargs = False
    return classified(stage, model)
