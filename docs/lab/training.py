# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Train with the shortcut
#
# The right gradient and the averaged one, on the same net and data: $\nabla J$ against $\tilde\nabla J$.

# %%
import numpy as np

from gradexplain import averaged_backprop, backprop, batch_gradient, random_mlp, squared_error

rng = np.random.default_rng(0)
net = random_mlp((2, 8, 1), rng)
x = rng.standard_normal((64, 2))
trace = backprop(net, x, x[:, :1] * x[:, 1:], squared_error)
batch_gradient(trace).weights[0].round(3)
