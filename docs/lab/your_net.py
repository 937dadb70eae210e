# ---
# jupyter:
#   description: Your own weights and data, and what averaging first would lose in each layer.
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Bring your own net
#
# Put in the weights of a net of yours and a batch of your data, and the ledger lists what averaging
# first would lose, layer by layer. Two cells are yours to change; all that follows holds for
# whatever you put there.

# %%
import numpy as np

from gradexplain import (
    MLP,
    backprop,
    gap_ledger,
    identity,
    squared_error,
    tanh,
)

# %% [markdown]
# ## Change this: the net
#
# One array of weights per layer, with a row for each of the layer's outputs, as `torch.nn.Linear`
# keeps it: `layer.weight.detach().double().numpy()`. Keras and Flax keep the transpose: add `.T`.

# %%
# CHANGE THIS
weights = [
    np.array([[0.9, -0.4], [0.3, 1.1], [-0.7, 0.5]]),  # (3, 2)
    np.array([[0.8, -0.6, 1.2]]),  # (1, 3)
]
biases = [np.array([0.1, -0.2, 0.4]), np.array([0.3])]
activations = [tanh, identity]  # or sigmoid, relu, softplus, gelu

net = MLP(weights, biases, activations)

# %% [markdown]
# ## Change this: the data
#
# An example is a row. The ledger is about one batch: a few dozen rows will do. Other losses are
# `logistic_loss` and `softmax_cross_entropy`.

# %%
# CHANGE THIS
angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
x = np.stack([np.cos(angle), 1 + np.sin(angle)], axis=1)
y = np.sin(3 * angle)[:, np.newaxis]
loss = squared_error

# What your framework predicts for the first rows. If an array was transposed, this fails.
expected = np.array([[0.4663], [0.5509]])
assert np.allclose(net(x[: len(expected)]), expected, atol=1e-3)

# %% [markdown]
# ## The ledger
#
# For each layer: the averaged gradient, every term between it and the true one, and how much is
# missing. What the terms mean is explained on [the ledger's page](../../learn/ledger/).

# %%
ledger = gap_ledger(backprop(net, x, y, loss))
print(ledger)

# %% [markdown]
# The weight that loses most, term by term:

# %%
gaps = [abs(gap) for gap in ledger.gap.weights]
layer = max(range(len(gaps)), key=lambda l: gaps[l].max())
row, column = np.argwhere(gaps[layer] == gaps[layer].max())[0]
print(f"layer {layer + 1}, row {row}, column {column}")
gradients = {"averaged": ledger.averaged, **ledger.terms}
gradients["true"] = ledger.true
for name, gradient in gradients.items():
    print(f"{name:12}{gradient.weights[layer][row, column]:+8.4f}")

# %% [markdown]
# ## What was claimed
#
# The terms add up to the gap. And the true gradient is the slope of the mean loss: each weight is
# moved a little up and down, and the loss measured. If either is false, this cell stops.


# %%
def mean_loss(layer, place, step):
    moved = [W.copy() for W in weights]
    moved[layer][place] += step
    other = MLP(moved, biases, activations)
    return backprop(other, x, y, loss).losses.mean()


def slope(layer, place, h=1e-5):
    higher, lower = (mean_loss(layer, place, step) for step in [h, -h])
    return (higher - lower) / (2 * h)


for l, W in enumerate(weights):
    terms = [term.weights[l] for term in ledger.terms.values()]
    size = sum(abs(term) for term in terms).max()
    assert abs(sum(terms) - ledger.gap.weights[l]).max() <= 1e-12 * size

    slopes = [slope(l, place) for place in np.ndindex(W.shape)]
    true = ledger.true.weights[l].ravel()
    assert abs(slopes - true).max() <= 1e-6 * abs(true).max()
