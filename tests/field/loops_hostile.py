"""Loops that are written in unusual ways, right and wrong: none may be taken for the other."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import backward  # imported by name, before any window opens
from torch.utils.checkpoint import checkpoint

from field.loops import BATCHES, COUNTS, K, Loop, N, adam, adding_to, plain, share, tokens
from field.loops_kinds import ALL, samples, vectors
from field.tiny import IGNORED, VOCABULARY, Batch, mean_loss
from gradexplain import Report
from gradexplain.integrations.torch import watch

LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)


def accumulated(
    model: nn.Module,
    mean: Callable[[Batch], Tensor],
    optimizer: Any = None,
    after: Callable[[], object] = lambda: None,
    *,
    right: bool,
) -> Report:
    """Accumulate means by their counts, or alike; `after` runs when the optimizer has stepped."""
    optimizer = optimizer or adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean(batch), targets=n), n, right=right).backward()
        optimizer.step()
        after()
    return step.report()


def entropy(logits: Tensor, labels: Tensor, **options: Any) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), **options)


@loop("mean-of-means")
def soft_capped_logits(*, right: bool) -> Report:
    model = tokens()
    return accumulated(model, lambda b: entropy(5 * (model(b[0]) / 5).tanh(), b[1]), right=right)


@loop("mean-of-means")
def label_smoothing(*, right: bool) -> Report:
    model = tokens()
    mean = lambda b: entropy(model(b[0]), b[1], label_smoothing=0.1)  # noqa: E731 - as the others
    return accumulated(model, mean, right=right)


class Fused(torch.autograd.Function):
    """A cross-entropy with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        shares = logits.softmax(-1)
        ctx.save_for_backward(shares, labels)
        return F.nll_loss(shares.log(), labels, ignore_index=IGNORED)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        shares, labels = ctx.saved_tensors
        kept = labels != IGNORED
        slopes = shares - F.one_hot(labels.clamp(min=0), VOCABULARY)
        return gradient * slopes * kept[:, None] / kept.sum(), None


@loop("mean-of-means")
def a_loss_with_its_own_backward(*, right: bool) -> Report:
    model = tokens()
    mean = lambda b: Fused.apply(model(b[0]).flatten(0, 1), b[1].flatten())  # noqa: E731 - as above
    return accumulated(model, mean, right=right)


@loop("mean-of-means")
def a_compiled_loss(*, right: bool) -> Report:
    model = tokens(dropout=0.0)
    mean = torch.compile(lambda x, y: entropy(model(x), y), backend="eager")
    return accumulated(model, lambda b: mean(*b), right=right)


@loop("mean-of-means")
def a_tap_inside_compiled_code(*, right: bool) -> Report:
    model = tokens(dropout=0.0)
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        mean = torch.compile(
            lambda x, y, n: step.tap(entropy(model(x), y), targets=n), backend="eager"
        )
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            with warnings.catch_warnings(action="ignore"):  # the compiler looks at a loss's .grad
                loss = mean(*batch, n)
            share(loss, n, right=right).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_checkpoint_under_autocast(*, right: bool) -> Report:
    model: Any = tokens(dropout=0.3)

    def mean(batch: Batch) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = checkpoint(model[1], model[0](batch[0]), use_reentrant=False)
            return entropy(model[3](model[2](hidden)), batch[1])

    return accumulated(model, mean, right=right)


@loop("mean-of-means")
def parametrized_weights(*, right: bool) -> Report:
    model: Any = tokens()
    nn.utils.parametrizations.weight_norm(model[3])
    nn.utils.parametrizations.spectral_norm(model[1][0])
    return accumulated(model, lambda b: mean_loss(model, b), right=right)


@loop("mean-of-means")
def one_module_used_three_times(*, right: bool) -> Report:
    torch.manual_seed(0)
    layer = nn.Linear(16, 16)
    body = layer, nn.Tanh(), layer, nn.Tanh(), layer
    model = nn.Sequential(nn.Embedding(VOCABULARY, 16), *body)
    return accumulated(model, lambda b: mean_loss(model, b), right=right)


@loop("mean-of-means")
def layers_that_only_some_batches_reach(*, right: bool) -> Report:
    model: Any = tokens()
    model.short = nn.Linear(16, 16)
    model.forward = lambda x: model[3](
        model[2]((model[1] if x.shape[1] > 5 else model.short)(model[0](x)))
    )
    return accumulated(model, lambda b: mean_loss(model, b), right=right)


@loop("mean-of-means")
def averages_of_the_weights(*, right: bool) -> Report:
    """A copy that follows the model is no part of the step."""
    model = tokens()
    shadow = copy.deepcopy(model)

    def follow() -> None:
        with torch.no_grad():
            for mean, weight in zip(shadow.parameters(), model.parameters(), strict=True):
                mean.lerp_(weight, 0.1)

    return accumulated(model, lambda b: mean_loss(model, b), after=follow, right=right)


@loop("mean-of-means")
def groups_of_parameters(*, right: bool) -> Report:
    model: Any = tokens()
    model[1][0].requires_grad_(requires_grad=False)
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = {"params": matrices, "weight_decay": 0.1}, {"params": vectors, "lr": 1e-4}
    optimizer = torch.optim.AdamW([*groups], lr=1e-3, weight_decay=0.0)
    return accumulated(model, lambda b: mean_loss(model, b), optimizer, right=right)


@loop("mean-of-means")
def fused_momentum(*, right: bool) -> Report:
    model = tokens()
    sgd = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, fused=True)
    return accumulated(model, lambda b: mean_loss(model, b), sgd, right=right)


@loop("mean-of-means")
def a_sparse_optimizer_beside_a_dense_one(*, right: bool) -> Report:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(VOCABULARY, 16, sparse=True), nn.Linear(16, VOCABULARY))
    optimizers = (
        torch.optim.SparseAdam(model[0].parameters()),
        torch.optim.SGD(model[1].parameters(), 0.1),
    )
    with watch(model, optimizers) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
        for optimizer in optimizers:
            optimizer.step()
    return step.report()


@loop("mean-of-means")
def optimizers_that_nobody_named(*, right: bool) -> Report:
    model: Any = tokens()
    optimizers = [torch.optim.SGD(part.parameters(), 0.1) for part in (model[:1], model[1:])]
    with watch(model) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        mean_loss(model, BATCHES[0]).backward()  # after the window has closed
    return step.report()


@loop("mean-of-means")
def steps_inside_the_last_backward_pass(*, right: bool) -> Report:
    model = tokens(dropout=0.0)
    steps = {weight: torch.optim.SGD([weight], lr=0.1) for weight in model.parameters()}
    last = False

    def landed(weight: Any) -> None:
        if last:
            steps[weight].step()
            steps[weight].zero_grad()

    for weight in model.parameters():
        weight.register_post_accumulate_grad_hook(landed)
    with watch(model, list(steps.values())) as step:
        for k, (batch, n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
            last = k == K - 1
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
    return step.report()


@loop("mean-of-means")
def gradients_zeroed_in_place_inside_the_window(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    mean_loss(model, BATCHES[1]).backward()
    with watch(model, optimizer) as step:
        optimizer.zero_grad(set_to_none=False)
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
            for weight in model.parameters():
                torch.nan_to_num_(weight.grad)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def gradients_kept_in_single_precision(*, right: bool) -> Report:
    """The sums are kept beside the parameters, whose gradients are dropped after each pass."""
    model = tokens().bfloat16()
    optimizer = adam(model)
    sums = {weight: torch.zeros_like(weight, dtype=torch.float32) for weight in model.parameters()}
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
            for weight, total in sums.items():
                total.add_(weight.grad)
                weight.grad = None
        for weight, total in sums.items():
            weight.grad = total.to(weight.dtype)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_norm_and_a_clip_apart(*, right: bool) -> Report:
    model = tokens()

    def clip() -> None:
        norm = nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
        nn.utils.clip_grads_with_norm_(model.parameters(), 0.01, norm)

    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right), after=clip)


@loop("mean-of-means")
def clipped_by_layer_and_then_as_a_whole(*, right: bool) -> Report:
    model: Any = tokens()

    def clip() -> None:
        nn.utils.clip_grad_norm_(model[0].parameters(), 0.01)
        nn.utils.clip_grad_norm_(model.parameters(), 0.001, norm_type="inf")

    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right), after=clip)


@loop("mean-of-means")
def sharpness_aware(*, right: bool) -> Report:
    """Two passes over the batch: the second's gradients, at moved weights, are the step's."""
    model = tokens(dropout=0.0)
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            (mean_loss(model, batch) * n / N).backward()
        moves = [0.01 * weight.grad for weight in model.parameters()]
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_add_(list(model.parameters()), moves)
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
        with torch.no_grad():
            torch._foreach_sub_(list(model.parameters()), moves)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_teacher_beside_the_labels(*, right: bool) -> Report:
    model, teacher = tokens(), tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for (x, y), n in zip(BATCHES, COUNTS, strict=True):
            with torch.no_grad():
                soft = teacher(x).softmax(-1)[y != IGNORED]
            z = model(x)
            hard = step.tap(entropy(z, y), targets=n, weight=0.5)
            apart = F.kl_div(z.log_softmax(-1)[y != IGNORED], soft, reduction="batchmean")
            apart = step.tap(apart, targets=n, term="teacher", weight=0.5)
            share((hard + apart) / 2, n, right=right).backward()
        optimizer.step()
    return step.report()


@loop("rescaled", "Entropy counts −1 times as much as it should; policy and value are exact")
def policy_value_and_entropy(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for (x, y), n in zip(BATCHES, COUNTS, strict=True):
            z, gain = model(x)[y != IGNORED], torch.linspace(-1, 1, n)
            logs = z.log_softmax(-1)
            policy = -(logs[:, 0] * gain).mean()
            value = F.mse_loss(z[:, 1], gain)
            spread = -(logs.exp() * logs).sum(-1).mean()
            loss = step.tap(policy, targets=n, term="policy", weight=1.0)
            loss = loss + 0.5 * step.tap(value, targets=n, term="value", weight=0.5)
            spread = step.tap(spread, targets=n, term="entropy", weight=-0.01)
            ((loss + (-0.01 if right else 0.01) * spread) * n / N).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def truncated_backpropagation(*, right: bool) -> Report:
    torch.manual_seed(0)
    body, head = nn.GRU(6, 12, batch_first=True), nn.Linear(12, 6)
    model = nn.ModuleList([body, head])
    optimizer, series = adam(model), torch.randn(3, 20, 6)
    with watch(model, optimizer) as step:
        state = None
        for chunk in series.split([8, 7, 5], dim=1):
            out, state = body(chunk, state)
            state = state.detach()
            n = chunk[..., 0].numel()
            loss = step.tap(F.mse_loss(head(out), chunk), targets=n)
            (loss * n / 60 if right else loss / 3).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def weights_as_arguments_of_backward(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        losses = [
            step.tap(mean_loss(model, batch), targets=n)
            for batch, n in zip(BATCHES, COUNTS, strict=True)
        ]
        shares = [torch.tensor(n / N if right else 1 / K) for n in COUNTS]
        losses[0].backward(gradient=shares[0])
        backward(losses[1:], shares[1:])
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_loss_for_each_token_as_the_root(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for (x, y), n in zip(BATCHES, COUNTS, strict=True):
            each = step.tap(entropy(model(x), y, reduction="none"))
            kept = (y != IGNORED).flatten().float()
            each.backward(gradient=kept / N if right else kept / n / K)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def counts_of_every_kind_and_an_empty_batch(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for k, ((x, y), n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
            count = (n, float(n), torch.tensor(n), y != IGNORED)[k]
            share(step.tap(entropy(model(x), y), targets=count), n, right=right).backward()
        step.tap(model(BATCHES[0][0]).sum() * 0, targets=0).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def complex_parameters(*, right: bool) -> Report:
    torch.manual_seed(0)
    model: Any = nn.Module()
    model.weight = nn.Parameter(torch.randn(6, 6, dtype=torch.complex64))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as step:
        for x in samples():
            loss = step.tap(((x + 0j) @ model.weight).abs().square().mean(), targets=len(x))
            (loss * len(x) / ALL if right else loss / 3).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-group-means", "weighs the groups correctly")
def given_weights_of_losses_with_sequences(*, right: bool) -> Report:
    model = tokens()
    optimizer, given = adam(model), (0.4, 0.3, 0.2, 0.1)
    with watch(model, optimizer, expect=given) as step:
        for (x, y), weight in zip(BATCHES, given, strict=True):
            mask = y != IGNORED
            each = F.cross_entropy(model(x).transpose(1, 2), y, reduction="none")
            each = step.tap(each, targets=mask) * mask
            per = each.sum(1) / mask.sum(1)
            (weight * (each.sum() / mask.sum() if right else per.mean())).backward()
        optimizer.step()
    return step.report()


# Mistakes of which the right version is the plain loop


def meddled(
    *,
    right: bool,
    before: Callable[[Any], object] = lambda _: None,
    after: Callable[[Any], object] = lambda _: None,
    divided: Callable[[Tensor, float], Tensor] = lambda loss, n: loss * n / N,
) -> Report:
    model = tokens()
    if right:
        return plain(model, adam(model), lambda loss, n: loss * n / N)
    return plain(model, adam(model), divided, lambda: before(model), lambda: after(model))


@loop("reweighted")
def divided_by_padded_lengths(*, right: bool) -> Report:
    sizes = [labels.numel() for _, labels in BATCHES]
    shares = {n: size / sum(sizes) for n, size in zip(COUNTS, sizes, strict=True)}
    return meddled(right=right, divided=lambda loss, n: loss * shares[int(n)])


@loop("rescaled", "a sign was flipped")
def climbing_instead_of_descending(*, right: bool) -> Report:
    return meddled(right=right, divided=lambda loss, n: -loss * n / N)


@loop("rescaled", "times 0.01")
def the_learning_rate_in_the_gradients(*, right: bool) -> Report:
    def scale(model: nn.Module) -> None:
        torch._foreach_mul_([weight.grad for weight in model.parameters()], 0.01)

    return meddled(right=right, after=scale)


@loop("unexplained")
def momentum_in_the_gradients(*, right: bool) -> Report:
    def mix(model: nn.Module) -> None:
        for weight in model.parameters():
            weight.grad.mul_(0.1).add_(torch.randn_like(weight), alpha=0.9)

    return meddled(right=right, after=mix)


@loop("unexplained")
def weight_decay_in_the_gradients(*, right: bool) -> Report:
    def decay(model: nn.Module) -> None:
        for weight in model.parameters():
            weight.grad.add_(weight.detach(), alpha=0.01)

    return meddled(right=right, after=decay)


@loop("uneven")
def only_the_head_is_zeroed(*, right: bool) -> Report:
    return meddled(right=right, before=lambda model: model[3].zero_grad())


@loop("uneven")
def an_embedding_that_forgets(*, right: bool) -> Report:
    def forget(model: Any) -> None:
        if model[0].weight.grad is not None:
            model[0].weight.grad *= 0.5

    return meddled(right=right, before=forget)


@loop("reweighted", "each weighs 2 times the one before it")
def a_hook_that_halves_the_sum(*, right: bool) -> Report:
    model = tokens()

    def landed(weight: Any) -> None:
        weight.grad.mul_(1.0 if right else 0.5)

    for weight in model.parameters():
        weight.register_post_accumulate_grad_hook(landed)
    return plain(model, adam(model), lambda loss, n: loss * n / N)


@loop("rescaled", "Squares counts 2 times as much as it should; loss is exact")
def a_term_added_twice(*, right: bool) -> Report:
    model = vectors()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for x in samples():
            out = model(x)
            loss = step.tap(F.smooth_l1_loss(out, x), targets=len(x))
            squares = step.tap(out.square().mean(), targets=len(x), term="squares", weight=0.01)
            loss += 0.01 * squares
            loss += 0 if right else 0.01 * squares
            (loss * len(x) / ALL).backward()
        optimizer.step()
    return step.report()


@loop("reweighted")
def a_running_mean_of_losses(*, right: bool) -> Report:
    """The mean of all so far, updated by 1/k, or always by a half."""
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer, expect="part") as step:
        mean: Any = 0.0
        for k, batch in enumerate(BATCHES, 1):
            mean = mean + (step.tap(mean_loss(model, batch)) - mean) / (k if right else 2)
        mean.backward()
        optimizer.step()
    return step.report()
