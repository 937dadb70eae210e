# ---
# jupyter:
#   description: One net, one start, three gradients. Two average first, and stop far from the data.
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Train with the shortcut
#
# Trained with averages, a net gets the mean answer right and then stands still, far from the data;
# the true gradient goes on. It hardly matters which slope the averages pass through.

# %%
import io

import numpy as np
from IPython.display import SVG

from gradexplain import MLP, averaged_backprop, backprop, batch_gradient, random_mlp, squared_error
from gradexplain import plotting as style

# %% [markdown]
# ## Three gradients, one start
#
# The targets are a V, by formula. Change `target`, the seed or the sizes, and see whether the
# asserts at the end still hold.


# %%
def target(x):
    return abs(x) - 1


def mean_slopes(trace):
    return averaged_backprop(trace, slopes="mean")


rules = {
    "true": batch_gradient,
    "averaged, slope at the mean": averaged_backprop,
    "averaged, mean of the slopes": mean_slopes,
}
x = np.linspace(-2, 2, 40)[:, np.newaxis]
y = target(x)
start = random_mlp((1, 16, 1), np.random.default_rng(1))


def train(gradient, steps=400, rate=0.05):
    net, traces = start, []
    for _ in range(steps):
        traces.append(backprop(net, x, y, squared_error))
        step = gradient(traces[-1])
        weights = [W - rate * dW for W, dW in zip(net.weights, step.weights)]
        biases = [b - rate * db for b, db in zip(net.biases, step.biases)]
        net = MLP(weights, biases, net.activations)
    return traces


runs = {name: train(gradient) for name, gradient in rules.items()}
end = {name: traces[-1] for name, traces in runs.items()}
print(f"{'':30}mean loss  mean error")
for name, trace in end.items():
    error = (trace.a[-1] - y).mean()
    print(f"{name:30}{trace.losses.mean():9.3f}  {error:+10.3f}")
print(f"{'one answer to everything':30}{y.var():9.3f}")

# %% [markdown]
# ## What each of them learned


# %%
@style.house
def learned():
    figure = style.canvas(364)
    style.heading(figure, 16, "What each net answers")
    answers = style.panel(figure, 26, 170)
    style.heading(figure, 232, "Mean loss, step by step")
    losses = style.panel(figure, 242, 96)
    answers.plot(x, y, "o", color=style.INK, markersize=2.5)
    looks = [(style.TRUE, "-"), (style.AVERAGED, "--"), (style.AVERAGED, ":")]
    for traces, (color, line) in zip(runs.values(), looks):
        J = [trace.losses.mean() for trace in traces]
        answers.plot(x, traces[-1].a[-1], line, color=color, linewidth=2)
        losses.plot(J, line, color=color, linewidth=2)
    style.label(answers, -0.6, 1, "averaged, either way", style.AVERAGED)
    style.label(answers, 0.1, -1, "true", style.TRUE, va="top")
    answers.set(xticks=[-2, 0, 2], yticks=[-1, 0, 1])
    losses.set(yscale="log", xticks=[0, 200, 400])
    losses.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    losses.minorticks_off()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata=words)
    return SVG(drawn.getvalue())


words = {
    "Title": "Targets as dots, and what each gradient made of the same start.",
    "Description": "Above, targets in the shape of a V: the true net follows "
    "them, both averaged nets cross them. Below, the mean loss: the true one "
    "falls on, the averaged ones turn flat.",
}
learned()

# %% [markdown]
# ## What was claimed
#
# All of an averaged gradient is a multiple of the mean output delta. Where that is zero, so is it;
# the true one is not. If any of this is false, this cell stops.


# %%
def largest(gradient):
    arrays = [*gradient.weights, *gradient.biases]
    return max(abs(array).max() for array in arrays)


for name in list(rules)[1:]:
    assert abs(end[name].delta[-1].mean()) < 1e-6
    assert largest(rules[name](end[name])) < 1e-6
    assert largest(batch_gradient(end[name])) > 0.1
    assert end[name].losses.mean() > 10 * end["true"].losses.mean()
