"""More loops, right and wrong: several terms, phases, backward passes, unusual batches."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from field.loops import BATCHES, COUNTS, K, Loop, N, adam, adding_to, plain, share, tokens
from field.tiny import IGNORED, VOCABULARY, mean_loss
from gradexplain import Report
from gradexplain.integrations.torch import watch

LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)
SIZES = 12, 5, 9  # examples in each micro-batch of the loops without text
ALL = sum(SIZES)


def vectors(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), *layers, nn.Tanh(), nn.Linear(20, 6))


def samples(seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 6, generator=generator) for size in SIZES]


def two_terms(*, right: bool, backwards: int) -> Report:
    """Cross-entropy per token and a z-loss per sequence, which has counts of its own."""
    model = tokens()
    optimizer = adam(model)
    sequences = [3, 1, 2, 1]
    S = sum(sequences)
    with watch(model, optimizer) as step:
        for batch, n, s in zip(BATCHES, COUNTS, sequences, strict=True):
            extra = model(batch[0][:1, :s]).logsumexp(-1).square().mean()
            ce = step.tap(mean_loss(model, batch), targets=n)
            z = step.tap(extra, targets=s, term="z-loss", weight=0.1)
            whole = [ce * n / N, 0.1 * z * (s / S if right else 1.0)]
            for loss in whole if backwards == 2 else [whole[0] + whole[1]]:
                loss.backward(retain_graph=backwards == 2)
        optimizer.step()
    return step.report()


@loop("mean-of-means", "z-loss: mean of means")
def two_terms_in_one_backward(*, right: bool) -> Report:
    return two_terms(right=right, backwards=1)


@loop("mean-of-means", "z-loss: mean of means")
def two_terms_in_two_backwards(*, right: bool) -> Report:
    return two_terms(right=right, backwards=2)


@loop("ambiguous", "Tap every loss of the step")
def a_loss_that_is_not_tapped(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for k, (batch, n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
            loss = mean_loss(model, batch)
            loss = step.tap(loss, targets=n) if right or k else loss
            (loss * n / N).backward()
        optimizer.step()
    return step.report()


@loop("dropped", "No gradient came back to parts[3]")
def a_loss_that_never_comes_back(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for k, (batch, n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
            loss = step.tap(mean_loss(model, batch), targets=n)
            if right or k < 3:
                (loss * n / N).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def arithmetic_in_place(*, right: bool) -> Report:
    model = tokens()

    def divided(loss: Tensor, n: float) -> Tensor:
        loss *= n / N if right else 1 / K
        return loss

    return plain(model, adam(model), divided)


@loop("rescaled", "times 2")
def two_backwards_through_one_loss(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n) * n / N
            for _ in range(2):
                (loss / (2 if right else 1)).backward(retain_graph=True)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def one_backward_for_all(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        losses = [
            step.tap(mean_loss(model, batch), targets=n)
            for batch, n in zip(BATCHES, COUNTS, strict=True)
        ]
        sum(share(loss, n, right=right) for loss, n in zip(losses, COUNTS, strict=True)).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_gradient_penalty(*, right: bool) -> Report:
    """Its first derivative is taken with `autograd.grad`, which adds nothing to a gradient."""
    model = vectors()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for x in samples():
            x.requires_grad_()
            out = model(x).square().mean(1)
            (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
            torch.autograd.grad(out.sum(), list(model.parameters()), retain_graph=True)
            loss = step.tap(out.mean() + slope.square().sum(1).mean(), targets=len(x))
            torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
            (loss * len(x) / ALL if right else loss / 3).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means", "AdamW (judge): A weighs every part alike")
def a_generator_and_a_discriminator(*, right: bool) -> Report:
    maker, judge = vectors(), vectors()
    step_maker, step_judge = adam(maker), adam(judge)
    with watch([maker, judge], [step_maker, step_judge]) as step:
        for x, z in zip(samples(), samples(2), strict=True):
            real = -F.logsigmoid(judge(x).mean(1)).mean()
            fake = -F.logsigmoid(-judge(maker(z).detach()).mean(1)).mean()
            loss = step.tap(real + fake, targets=len(x), term="judge")
            (loss * len(x) / ALL if right else loss / 3).backward()
        step_judge.step()
        for z in samples(2):
            loss = step.tap(-F.logsigmoid(judge(maker(z)).mean(1)).mean(), len(z), term="maker")
            (loss * len(z) / ALL).backward()
        step_maker.step()
        step_judge.zero_grad()
    return step.report()


@loop("ambiguous", "Tap every loss of the step")
def a_discriminator_in_one_loop(*, right: bool) -> Report:
    """Each micro-batch serves both networks; the judge keeps the maker's gradients, or not."""
    maker, judge = vectors(), vectors()
    step_maker, step_judge = adam(maker), adam(judge)
    with watch(judge, step_judge) as step:
        for z, x in zip(samples(2), samples(), strict=True):
            held = [None if w.grad is None else w.grad.clone() for w in judge.parameters()]
            (-F.logsigmoid(judge(maker(z)).mean(1)).mean() / 3).backward()
            for weight, gradient in zip(judge.parameters(), held, strict=True):
                weight.grad = gradient if right else weight.grad
            fake = -F.logsigmoid(-judge(maker(z).detach()).mean(1)).mean()
            loss = step.tap(fake - F.logsigmoid(judge(x).mean(1)).mean(), targets=len(x))
            (loss * len(x) / ALL).backward()
        step_judge.step()
        step_maker.step()
    return step.report()


@loop("dropped")
def the_last_short_window(*, right: bool) -> Report:
    """`if (i + 1) % K == 0` never steps after the last three, or steps for what is left."""
    model = tokens()
    optimizer = adam(model)
    mine = list(zip(BATCHES, COUNTS, strict=True))[:3]
    n = sum(count for _, count in mine)
    with watch(model, optimizer) as step:
        for i, (batch, count) in enumerate(mine):
            loss = step.tap(mean_loss(model, batch), targets=count) * count / n
            if right or i < 2:
                loss.backward()
            if i + 1 == 3:
                optimizer.step()
    return step.report()


@loop("mean-of-means")
def noise_before_the_model(*, right: bool) -> Report:
    model = vectors()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for x in samples():
            noise = torch.randn_like(x)
            loss = step.tap(F.mse_loss(model(x + noise), noise), targets=len(x))
            (loss * len(x) / ALL if right else loss / 3).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def labels_popped_from_a_generator(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    stream = ({"x": x, "labels": y} for x, y in itertools.chain(BATCHES))
    with watch(model, optimizer) as step:
        for batch in stream:
            labels = batch.pop("labels")
            loss = F.cross_entropy(model(batch["x"]).flatten(0, 1), labels.flatten())
            loss = step.tap(loss, targets=labels != IGNORED)
            share(loss, int((labels != IGNORED).sum()), right=right).backward()
        optimizer.step()
    return step.report()


@loop("unexplained", "0/0")
def a_batch_without_targets(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    empty = BATCHES[1][0], torch.full_like(BATCHES[1][1], IGNORED)
    batches = [BATCHES[0], empty, BATCHES[2]]
    counts = [COUNTS[0], 0, COUNTS[2]]
    with watch(model, optimizer) as step:
        for (inputs, labels), n in zip(batches, counts, strict=True):
            logits = model(inputs).flatten(0, 1)
            kept = labels.flatten() != IGNORED
            each = F.cross_entropy(logits, labels.flatten().clamp(min=0), reduction="none")
            loss = (each * kept).sum() / (1 if right else n)
            loss = step.tap(loss, targets=n, reduction="sum" if right else "mean")
            (loss / sum(counts) if right else loss * n / sum(counts)).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means", "BatchNorm1d")
def batch_normalization(*, right: bool) -> Report:
    model = vectors(nn.BatchNorm1d(20))
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for x in samples():
            loss = step.tap(F.mse_loss(model(x), x.flip(1)), targets=len(x))
            (loss * len(x) / ALL if right else loss / 3).backward()
        optimizer.step()
    return step.report()


@loop("reweighted")
def class_weights(*, right: bool) -> Report:
    """Their mean is over the sum of weights, so that sum is the count."""
    model = tokens()
    optimizer = adam(model)
    classes = torch.linspace(0.2, 2.0, VOCABULARY)
    sums = [float((classes[y.clamp(min=0)] * (y != IGNORED)).sum()) for _, y in BATCHES]
    with watch(model, optimizer) as step:
        for (inputs, labels), n, s in zip(BATCHES, COUNTS, sums, strict=True):
            loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), classes)
            loss = step.tap(loss, targets=s)
            (loss * s / sum(sums) if right else loss * n / N).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def every_batch_alike_as_expected(*, right: bool) -> Report:
    """GRPO's mean over prompts: each micro-batch alike is what is meant, or it is not."""
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer, expect="part" if right else "target") as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            (step.tap(mean_loss(model, batch), targets=n) / K).backward()
        optimizer.step()
    return step.report()
