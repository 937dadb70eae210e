"""Search, by the theme's own worker on the built index: what people type finds the right page."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from py_mini_racer import MiniRacer

# What a browser gives the worker: messages to hear, a place to answer.
WORKER = """
var self = globalThis, told = [], hear, console = { warn() {} };
function addEventListener(_, heard) { hear = heard; }
function postMessage(message) { told.push(message); }
"""
SETUP, QUERY = 0, 2  # the worker's names for what it is asked
RIGHT = {
    "average the gradients": "",
    "minibatch": "learn/linearity",
    "mini-batch": "learn/linearity",
    "sum or mean": "learn/linearity",
    "least squares": "learn/line",
    "linear regression": "learn/line",
    "loss.mean().backward()": "learn/linearity",
    "sigmoid": "learn/sigmoid",
    "backprop average delta": "learn/layerwise",
    "backpropagation": "learn/layerwise",
    "five sums": "learn/what-to-average",
    "adaboost": "learn/no-shortcut",
    "ledger": "learn/ledger",
    "exercises": "teach",
    "mean of means": "practice/micro-batches",
    "micro-batch": "practice/micro-batches",
    "microbatch": "practice/micro-batches",
    "grad accum": "practice/micro-batches",
    "gradient accumulation": "practice/micro-batches",
    "token count": "practice/micro-batches",
    "loss multiplied by world size": "practice/micro-batches",
    "batchnorm": "practice/not-a-mean",
    "audit": "practice/check-your-loop",
    "Jensen": "reference/questions",
    "ReLU": "reference/questions",
    "scheduler": "practice/questions",
    "logged loss K times": "practice/questions",
    "perplexity": "practice/terms",
    "NaN": "practice/terms",
    "class weights": "practice/terms",
    "GRPO": "practice/terms",
    "no_sync": "practice/workers",
    "ZeRO": "practice/workers",
    "FSDP": "practice/workers",
    "FedAvg": "practice/questions-workers",
    "gradient checkpointing": "practice/questions-workers",
    "rescaled": "reference/verdicts",
    "museum": "practice/museum",
    "MegaBatchMarginLoss": "practice/museum",
    "nnUNet batch dice": "practice/museum",
    "stylegan2": "practice/museum",
    "DAPO": "practice/questions",
}
Find = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def find(site: Path) -> Iterator[Find]:
    """Give the pages that a query finds, the best first."""
    engine = MiniRacer()

    def ask(kind: int, data: object) -> list[dict[str, list[list[dict[str, str]]]]]:
        engine.eval(f"told = []; hear({{ data: {json.dumps({'type': kind, 'data': data})} }}); 0")
        return [
            answer.get("data", {})
            for answer in json.loads(str(engine.eval("JSON.stringify(told)")))
        ]

    def found(query: str) -> list[str]:
        [answer] = ask(QUERY, query)
        return [hits[0]["location"].split("#")[0].strip("/") for hits in answer["items"]]

    [script] = site.glob("assets/javascripts/workers/search.*.min.js")
    engine.eval(WORKER + script.read_text("utf-8"))
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    assert len(ask(SETUP, {**index, "options": {}})) == 1
    yield found
    engine.close()


@pytest.mark.parametrize("query", RIGHT)
def test_a_likely_query_finds_the_right_page_first(find: Find, query: str) -> None:
    assert find(query)[0] == RIGHT[query]


def test_the_search_finds_only_what_is_there(find: Find) -> None:
    assert find("xylophone") == []
