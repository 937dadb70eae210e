"""Keras 3 on its torch backend: `gradient_accumulation_steps=4` in the optimizer."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # read once, as Keras starts

from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F

from field.capture import Capture

PACKAGE = "keras"
ACCUMULATE = 4
VOCABULARY = 16


class _Catching(keras.optimizers.SGD):
    """Keeps each gradient that Keras hands to the update of a variable, and moves none."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.1, gradient_accumulation_steps=ACCUMULATE)
        self.handed: dict[str, Any] = {}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ARG002
        self.handed[variable.path] = gradient.detach().clone()


def last_short_batch() -> Capture:
    """`fit` over 26 examples in batches of 8: the epoch's last batch holds two."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(1)])
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(26, 5)).astype("float32"), rng.normal(size=(26, 1)).astype("float32")

    def loss(where: slice) -> torch.Tensor:
        return F.mse_loss(model(x[where]), torch.from_numpy(y[where]))

    optimizer = _fit(model, "mse", x, y, batch_size=8)
    batches = [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 26)]
    return _capture(model, optimizer, [lambda at=at: loss(at) for at in batches], [8, 8, 8, 2])


def masked_tokens() -> Capture:
    """Padding left out by `Embedding(mask_zero=True)`, as in Keras's text guides."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Embedding(VOCABULARY, 6, mask_zero=True), keras.layers.Dense(VOCABULARY)]
    )
    rng = np.random.default_rng(1)
    lengths = np.array([12, 10, 2, 1, 7, 3, 1, 1])  # eight texts, two a micro-batch
    x, y = (rng.integers(1, VOCABULARY, size=(8, 12)) for _ in range(2))
    x[np.arange(12) >= lengths[:, None]] = 0

    def loss(where: slice) -> torch.Tensor:
        counted = torch.from_numpy(x[where] != 0)
        return F.cross_entropy(model(x[where])[counted], torch.from_numpy(y[where])[counted])

    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = _fit(model, crossentropy, x, y, batch_size=2)
    batches = [slice(k, k + 2) for k in range(0, 8, 2)]
    counts = [int(lengths[at].sum()) for at in batches]
    return _capture(model, optimizer, [lambda at=at: loss(at) for at in batches], counts)


def _fit(model: Any, loss: Any, x: Any, y: Any, batch_size: int) -> _Catching:
    optimizer = _Catching()
    model.compile(optimizer=optimizer, loss=loss)
    model.fit(x, y, batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
    return optimizer


def _capture(model: Any, optimizer: _Catching, losses: list[Any], counts: list[int]) -> Capture:
    return Capture(optimizer.handed, [_part(model, loss) for loss in losses], counts)


def _part(model: Any, loss: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss().backward()
    return {
        variable.path: variable.value.grad.detach().clone()
        for variable in model.trainable_variables
    }
