# ---
# jupyter:
#   description: A loop that divides by the number of micro-batches, audited and fixed in NumPy.
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Fix a loop
#
# A loop that divides each mean loss by the number of micro-batches gives every micro-batch the same
# weight, however few targets it holds. The audit reads those weights off the gradients; dividing
# sums by the targets of the whole step fixes it.

# %%
import numpy as np

from gradexplain import audit_accumulation

# %% [markdown]
# ## The data
#
# Logistic regression in plain NumPy, so that nothing is hidden. Sequences have unequal lengths, as
# in language models; a row is a target, and two sequences make a micro-batch.

# %%
rng = np.random.default_rng(0)
truth = rng.standard_normal(16)
lengths = [60, 45, 15, 10, 35, 55, 5, 20]
sequences = []
for n in lengths:
    topic = rng.standard_normal(16)
    x = topic + rng.standard_normal((n, 16))
    y = (x @ truth + rng.logistic(size=n) > 0).astype(float)
    sequences.append((x, y))
micro_batches = [sequences[i : i + 2] for i in range(0, 8, 2)]


def summed_gradient(theta, micro_batch):
    """The gradient of the summed loss, and how many targets there are."""
    x, y = (np.concatenate(rows) for rows in zip(*micro_batch))
    chance = 1 / (1 + np.exp(-x @ theta))
    return x.T @ (chance - y), len(y)


# %% [markdown]
# ## The loop as it is often written
#
# Each micro-batch divides by its own count, the loop by their number K. Two lines are added for the
# audit: they keep each part and its count.

# %%
theta = np.zeros(16)
K = len(micro_batches)
parts, counts = [], []
accumulated = np.zeros(16)
for micro_batch in micro_batches:
    total, n = summed_gradient(theta, micro_batch)
    accumulated += (total / n) / K  # loss.mean() / K
    parts.append(total / n)
    counts.append(n)

found = audit_accumulation(accumulated, parts, counts=counts)
print(found)

# %% [markdown]
# ## The loop, fixed
#
# Count the targets of the whole step first. Then sum, and divide by that count, once.

# %%
global_count = sum(len(y) for _, y in sequences)
accumulated = np.zeros(16)
for micro_batch in micro_batches:
    total, n = summed_gradient(theta, micro_batch)
    accumulated += total / global_count  # loss.sum() / global_count

fixed = audit_accumulation(accumulated, parts, counts=counts)
print(fixed.verdict.value)

# %% [markdown]
# ## Would anyone have noticed?
#
# In both loops the loss falls. They settle at different parameters.


# %%
def train(share, steps=1000, rate=0.2):
    theta = np.zeros(16)
    for _ in range(steps):
        totals = [summed_gradient(theta, m) for m in micro_batches]
        theta = theta - rate * sum(share(total, n) for total, n in totals)
    return theta


def mean_loss(theta):
    x, y = (np.concatenate(rows) for rows in zip(*sequences))
    return np.logaddexp(0, (1 - 2 * y) * (x @ theta)).mean()


wrong = train(lambda total, n: total / n / K)
right = train(lambda total, _: total / global_count)
apart = np.linalg.norm(wrong - right) / np.linalg.norm(right)
print(f"mean loss at the start {mean_loss(np.zeros(16)):.4f}")
print(f"mean of means          {mean_loss(wrong):.4f}")
print(f"one mean               {mean_loss(right):.4f}")
print(f"parameters apart by    {apart:.0%}")

# %% [markdown]
# ## What was claimed
#
# If one of these is false, the site is not built.

# %%
full, n = summed_gradient(np.zeros(16), sequences)
assert found.verdict.value == "mean-of-means"
assert np.allclose(found.weights, 1 / K, rtol=1e-9)
assert fixed.verdict.value == "exact"
assert np.allclose(accumulated, full / n, rtol=1e-12, atol=1e-15)
assert mean_loss(right) < mean_loss(wrong) < mean_loss(np.zeros(16))
