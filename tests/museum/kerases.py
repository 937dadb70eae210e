"""A model in Keras, on its torch backend, that accumulates four batches in its optimizer."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # read once, as Keras starts

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch

from museum.exhibit import Played, Stage

BATCHES = [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 26)]


class Catching(keras.optimizers.SGD):
    """Keeps each gradient that Keras hands to the update of a variable, and moves none."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.1, gradient_accumulation_steps=len(BATCHES))
        self.handed: dict[str, Any] = {}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ARG002
        self.handed[variable.path] = gradient.detach().clone()


def fitted(stage: Stage, *, summed: bool) -> Played:
    """Fit 26 examples in batches of 8, for one step."""
    keras.config.set_floatx(stage.dtype)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(1)])
    rng = np.random.default_rng(1)
    x = rng.normal(size=(26, 5)).astype(stage.dtype)
    y = rng.normal(size=(26, 1)).astype(stage.dtype)
    model.build((None, 5))
    optimizer = Catching()
    loss = keras.losses.MeanSquaredError(reduction="sum" if summed else "sum_over_batch_size")
    model.compile(optimizer=optimizer, loss=loss, loss_weights=[4 / 26] if summed else None)
    model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    stage.handed = optimizer.handed

    def each(m: Any, rows: slice) -> Any:
        return (m(x[rows]) - torch.from_numpy(y[rows])).square().mean(-1)

    def gradient(loss_of: Callable[[], Any]) -> dict[str, Any]:
        model.zero_grad()
        loss_of().backward()
        return {v.path: v.value.grad.detach().clone() for v in model.trainable_variables}

    return Played(model, BATCHES, each=each, gradient=gradient)
