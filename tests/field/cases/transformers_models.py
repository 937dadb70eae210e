"""The stock `Trainer` over models that differ in how their loss counts."""

from transformers import BertForMaskedLM, BertForSequenceClassification

from field.situation import Situation
from field.trainers import (
    TEXTS,
    TOKENS,
    Make,
    audited,
    bert,
    gpt2,
    head,
    images,
    mixtral,
    number,
    of_text,
    of_tokens,
    stock,
    t5,
)

PACKAGE = "transformers"
REGRESSION = bert(BertForSequenceClassification, 1)


def _of(text: str, make: Make) -> Situation:
    return Situation(text, lambda: audited(make))


TABLE = {
    "llama": _of("Llama", stock()),
    "gpt2": _of("GPT-2", stock(gpt2)),
    "mixtral_router": _of("Mixtral with its router's loss", stock(mixtral)),
    "bert_masked": _of("BERT, masked language model", head(bert(BertForMaskedLM), of_tokens)),
    "bert_tokens": _of("BERT, a class for each token", head(TOKENS, of_tokens)),
    "bert_texts": _of("BERT, a class for each text", head(TEXTS, of_text)),
    "bert_number": _of("BERT, a number for each text", head(REGRESSION, number)),
    "t5": _of("T5", head(t5, of_tokens)),
    "vit": _of("ViT, a class for each image", images()),
    "vit_several": _of("ViT, several labels for each image", images(several=True)),
    "bert_texts_declared": _of(
        "BERT, a class for each text, `model_accepts_loss_kwargs = False`",
        head(TEXTS, of_text, declared=True),
    ),
}
