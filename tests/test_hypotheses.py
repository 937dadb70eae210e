"""Each hypothesis that a page states in words: without it the page's claim is false, as run here.

A hypothesis that a page's own block holds stands there, not here. The theorems themselves are
proved (`make prove`), so what is run of them are the counter-examples.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import sympy  # type: ignore[import-untyped]  # it has no types

from gradexplain import sigmoid, softmax_cross_entropy
from gradexplain.arrays import Array


def off(found: Array, right: Array) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


def slope(f: Callable[[Any], Any], theta: float) -> Any:
    """Differentiate an analytic function by a complex step: exact to rounding, without rules."""
    return np.imag(f(theta + 1e-30j)) / 1e-30


def test_the_gradient_is_linear_if_the_weights_do_not_move() -> None:
    x, y, theta = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -1.0]), 0.7

    def losses(t: Any) -> Any:
        return (y - np.tanh(t * x)) ** 2

    def miss(weights: Callable[[Any], Any]) -> float:
        whole = slope(lambda t: (weights(t) * losses(t)).sum(), theta)
        return abs(whole - (weights(theta) * slope(losses, theta)).sum())

    assert miss(lambda _: np.array([0.2, 0.5, 0.3])) < 1e-15
    assert miss(lambda t: np.exp(t * x) / np.exp(t * x).sum()) > 0.1


def test_the_gradient_is_linear_if_no_loss_reads_another_example() -> None:
    x, y, theta = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -1.0]), 0.7

    def miss(center: Callable[[Any], Any]) -> float:
        def losses(t: Any, x: Array = x, y: Array = y) -> Any:
            a = np.tanh(t * x)
            return (y - (a - center(a))) ** 2

        alone = [slope(partial(losses, x=x[i], y=y[i]), theta) for i in range(3)]
        return float(abs(slope(lambda t: losses(t).mean(), theta) - np.mean(alone)))

    assert miss(lambda _: 0) < 1e-15
    assert miss(np.mean) > 0.1  # as with batch normalization


def test_for_some_batches_a_mean_passes_through_a_curve() -> None:
    x = np.array([-2.0, -0.5, 0.5, 2.0])
    assert (x**3).mean() == x.mean() ** 3
    assert (x[1:] ** 3).mean() != x[1:].mean() ** 3


def test_without_continuity_every_mean_passes_through_a_function_that_is_no_line() -> None:
    """On the numbers p + q √2 with rational p and q, take p: it is additive, and no line."""
    root, rng = sympy.sqrt(2), np.random.default_rng(0)

    def rational_part(number: Any) -> Any:
        return sympy.expand(number).as_independent(root, as_Add=True)[0]

    for N in range(1, 6):
        batch = [int(p) + sympy.Rational(int(q), 7) * root for p, q in rng.integers(-9, 9, (N, 2))]
        assert rational_part(sum(batch) / N) == sum(map(rational_part, batch)) / N
    assert [rational_part(x) for x in (0, 1, 1 + root)] == [0, 1, 1]


def test_a_slope_that_is_zero_somewhere_may_still_be_a_function_of_the_height() -> None:
    theta = np.linspace(-2, 2, 41)
    assert np.allclose(3 * theta**2, 3 * np.cbrt(theta**3) ** 2, rtol=1e-12, atol=0)
    on = np.maximum(0, theta)
    assert np.allclose(2 * on, 2 * np.sqrt(on**2), rtol=1e-15, atol=0)


def test_on_two_intervals_a_loss_may_turn_if_its_heights_do_not_overlap() -> None:
    rising, falling = np.linspace(0, 1), 12 - np.linspace(2, 3)
    assert rising.max() < falling.min()  # so each height has one slope, 1 or −1
    assert rising.max() > (3.5 - np.linspace(2, 3)).min()


def test_on_a_disc_two_directions_may_share_one_g() -> None:
    """Of two caps, with a plateau between, one falls to the left, the other rises upward."""

    def caps(theta: Array) -> Array:
        return np.maximum(0, np.array([-theta[0], theta[1]]) - 0.75)

    def miss(theta: Array) -> float:
        left, up = caps(theta)
        height, gradient = up**2 - left**2, 2 * np.array([left, up])
        g = 2 * np.sqrt(np.maximum(0, [-height, height]))
        return float(np.abs(gradient - g).max())

    drawn = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    disc = [theta for theta in drawn if theta @ theta < 1]
    assert min(np.max([caps(theta) for theta in disc], axis=0)) > 0.1
    assert max(map(miss, disc)) < 1e-15
    assert miss(np.array([-1.0, 1.0])) == 0.5  # beyond the disc the caps meet


def adam_step(gradients: Sequence[float]) -> float:
    """Return the length of Adam's last step, over the learning rate, without ε."""
    m = v = 0.0
    for g in gradients:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    t = len(gradients)
    return float(m / (1 - 0.9**t) / np.sqrt(v / (1 - 0.999**t)))


def test_adam_divides_out_a_factor_that_all_steps_share_and_no_other() -> None:
    ones = [1.0] * 100
    assert np.isclose(adam_step([4 * g for g in ones]), adam_step(ones))
    assert np.isclose(adam_step([*ones[1:], 4.0]), 1.208, atol=1e-3)


def test_adam_divides_out_no_factor_with_an_l2_penalty_in_the_gradient() -> None:
    gradients, theta = [1.0, -0.5, 2.0], 3.0
    once, four = (adam_step([s * g + 0.1 * theta for g in gradients]) for s in (1, 4))
    assert not np.isclose(once, four, rtol=0.01)


def test_the_slope_of_softmax_cross_entropy_needs_targets_that_sum_to_one() -> None:
    output = np.array([0.3, -0.2, 0.9])
    p = np.exp(output) / np.exp(output).sum()

    def nudged(target: Array) -> Array:
        def loss(o: Array) -> float:
            return float(-(target * (o - np.log(np.exp(o).sum()))).sum())

        h = 1e-6 * np.eye(3)
        return np.array([(loss(output + e) - loss(output - e)) / 2e-6 for e in h])

    assert np.allclose(nudged(np.array([0.2, 0.5, 0.3])), p - [0.2, 0.5, 0.3])
    assert not np.allclose(nudged(np.array([1.0, 1.0, 0.0])), p - [1.0, 1.0, 0.0], rtol=0.1)


def test_a_per_example_norm_comes_from_rows_if_the_example_has_one_row() -> None:
    rng = np.random.default_rng(0)
    delta, a = rng.standard_normal((2, 3)), rng.standard_normal((2, 4))

    def from_rows(rows: slice) -> float:
        squares = (delta[rows] ** 2).sum(axis=1) * (a[rows] ** 2).sum(axis=1)
        return float(np.sqrt(squares.sum()))

    one, two = slice(1), slice(2)
    assert np.isclose(from_rows(one), np.linalg.norm(delta[one].T @ a[one]))
    assert not np.isclose(from_rows(two), np.linalg.norm(delta[two].T @ a[two]), rtol=1e-3)


def test_batch_normalization_leaves_nothing_to_weigh_in_general_only() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal(20)

    def left_over(X: Array, t: Array) -> float:
        def gradient(X: Array, t: Array) -> Array:
            z = X @ w
            a = (z - z.mean()) / z.std()
            da = 2 * (a - t) / len(t)
            return X.T @ ((da - da.mean() - a * (da * a).mean()) / z.std())

        parts = np.stack([gradient(X[:6], t[:6]), gradient(X[6:], t[6:])], axis=1)
        whole = gradient(X, t)
        return off(parts @ np.linalg.lstsq(parts, whole)[0], whole)

    inputs, targets = rng.standard_normal((6, 20)), rng.standard_normal(12)
    assert left_over(np.concatenate([inputs, inputs]), targets) < 1e-12
    assert left_over(np.concatenate([inputs, inputs + 1]), targets) > 0.1


def surrogate_is_off(*, coupled: bool, same_mask: bool) -> float:
    """Run a contrastive loss by cached embeddings; return how far its gradient is off."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 8, 4))
    W = rng.standard_normal((3, 4))
    masks = [rng.integers(0, 2, (8, 3)) * 2.0 for _ in range(2)]
    halves = [slice(None, 4), slice(4, None)]

    def embedded(W: Array, x: Array, mask: Array) -> Array:
        z = x @ W.T
        return (z - z.mean(axis=0) if coupled else z) * mask

    def loss_gradient(q: Array, k: Array) -> tuple[Array, Array]:
        d = softmax_cross_entropy.derivative(q @ k.T, np.eye(len(q))) / len(q)
        return d @ k, d.T @ q

    def pulled_back(d: Array, x: Array, mask: Array) -> Array:
        d = d * mask
        return (d - d.mean(axis=0) if coupled else d).T @ x

    cached = loss_gradient(embedded(W, x, masks[0]), embedded(W, y, masks[0]))
    right = sum(pulled_back(d, rows, masks[0]) for d, rows in zip(cached, (x, y), strict=True))
    by_parts = [np.concatenate([embedded(W, v[k], masks[0][k]) for k in halves]) for v in (x, y)]
    cached = loss_gradient(*by_parts)
    again = masks[0] if same_mask else masks[1]
    found = sum(
        pulled_back(d[k], rows[k], again[k])
        for d, rows in zip(cached, (x, y), strict=True)
        for k in halves
    )
    return off(np.asarray(found), np.asarray(right))


def test_cached_embeddings_need_an_encoder_that_couples_nothing_and_the_same_masks() -> None:
    assert surrogate_is_off(coupled=False, same_mask=True) < 1e-14
    assert surrogate_is_off(coupled=True, same_mask=True) > 0.1
    assert surrogate_is_off(coupled=False, same_mask=False) > 0.1


def test_augmentation_that_mixes_examples_is_no_mean_of_micro_batches() -> None:
    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((12, 2)), rng.random(12).round(), rng.standard_normal(2)

    def gradient(x: Array, y: Array) -> Array:
        """Mix each example with its neighbor in the batch, half and half."""
        x, y = (x + np.roll(x, 1, axis=0)) / 2, (y + np.roll(y, 1)) / 2
        return ((sigmoid(x @ w) - y) @ x) / len(x)

    halves = np.mean([gradient(x[:6], y[:6]), gradient(x[6:], y[6:])], axis=0)
    assert off(halves, gradient(x, y)) > 0.01


def test_a_curve_of_the_mean_needs_a_slope_that_is_not_zero() -> None:
    """h = max(J, 1): the micro-batch below one has no gradient, and no weight brings it back."""
    J, of_means = np.array([0.25, 9.0]), np.array([[1.0, 0.0], [0.0, 1.0]])
    each = of_means * (J > 1)[:, np.newaxis]
    whole = of_means.mean(axis=0) * (J.mean() > 1)
    assert off(np.linalg.lstsq(each.T, whole)[0] @ each, whole) > 0.1
