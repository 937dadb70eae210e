"""The router's loss is added after the tokens' loss was divided by the window's count."""

from museum.exhibit import About, Played, Stage
from museum.trainers import mixtral, trained

ABOUT = About(
    project="huggingface/transformers",
    averaged="a router's loss, once a micro-batch",
    address="https://github.com/huggingface/transformers/issues/48690",
    reported="2026-09-10",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=4.0,
    term="aux_loss",
    real="transformers 5.24.0: a tiny Mixtral in Trainer",
    remark=(
        "The report has it with two workers; here it is with four micro-batches. Right with a "
        "quarter of the coefficient."
    ),
)


def play(stage: Stage, *, right: bool) -> Played:
    model = mixtral(stage)
    weight = model.router_aux_loss_coef
    model.router_aux_loss_coef = weight / 4 if right else weight
    return trained(stage, model, router=weight)
