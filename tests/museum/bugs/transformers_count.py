"""The count that divides is taken before the labels are shifted: one too many a row."""

from museum.exhibit import About, Played, Stage
from museum.trainers import gpt2, llama, trained

ABOUT = About(
    project="huggingface/transformers",
    averaged="tokens over their count and the number of rows",
    address="https://github.com/huggingface/transformers/pull/46204",
    reported="2026-05-26",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.926606,
    real="transformers 5.24.0: a tiny GPT-2 and a tiny Llama in Trainer",
    remark="GPT-2 in 5.24.0 still counts so; Llama, which the fix reaches, is the right version.",
)


def play(stage: Stage, *, right: bool) -> Played:
    return trained(stage, llama(stage) if right else gpt2(stage))
