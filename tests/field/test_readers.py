"""Without a tap: what models and autograd show is read; what they don't is said to be unread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from field.loops import BATCHES, COUNTS, K, N, adam, share, tokens
from field.tiny import IGNORED, VOCABULARY, mean_loss, summed_loss
from gradexplain import Report
from gradexplain.integrations.torch import watch


@dataclass
class Output:
    """What models return."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    log_probs: Tensor | None = None
    aux_loss: Tensor | None = None


class Named(nn.Module):
    """A language model that names its head, as Hugging Face's do, and returns what is asked."""

    def __init__(self, returns: Callable[[Tensor, Tensor], Output]) -> None:
        super().__init__()
        self.body = tokens()
        self.returns = returns

    def get_output_embeddings(self) -> nn.Module:
        return self.body[3]

    def forward(self, inputs: Tensor, labels: Tensor, **_: Any) -> Output:
        return self.returns(self.body(inputs), labels)


def read(model: nn.Module, loss: Callable[[Any, int], Tensor], **given: Any) -> Report:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            found = model(*batch, **given) if isinstance(model, Named) else batch
            loss(found, n).backward()
        optimizer.step()
    return step.report()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("right", [True, False])
def test_a_mean_cross_entropy_is_read_at_its_node(kind: torch.dtype, right: bool) -> None:  # noqa: FBT001
    model = tokens().to(kind)
    report = read(model, lambda batch, n: share(mean_loss(model, batch), n, right=right))
    assert report.verdict.value == ("exact" if right else "mean-of-means")
    assert [part.count for part in report.parts] == COUNTS


def test_a_summed_cross_entropy_is_read_at_its_node() -> None:
    model = tokens()
    report = read(model, lambda batch, _: summed_loss(model, batch) / N)
    assert report.ok is True


def test_an_unreduced_cross_entropy_is_read_at_its_node() -> None:
    model = tokens()

    def loss(batch: Any, n: int) -> Tensor:
        inputs, labels = batch
        each = F.cross_entropy(model(inputs).transpose(1, 2), labels, reduction="none")
        return each.sum() / n / K

    assert read(model, loss).verdict.value == "mean-of-means"


def test_class_weights_are_the_count() -> None:
    model = tokens()
    classes = torch.linspace(0.2, 2.0, VOCABULARY)
    sums = [float((classes[y.clamp(min=0)] * (y != IGNORED)).sum()) for _, y in BATCHES]

    def loss(batch: Any, _: int) -> Tensor:
        inputs, labels = batch
        logits = model(inputs).flatten(0, 1)
        return F.cross_entropy(logits, labels.flatten(), classes, reduction="sum") / sum(sums)

    report = read(model, loss)
    assert report.ok is True
    assert [part.count for part in report.parts] == pytest.approx(sums)


WEIGHTS = torch.linspace(0.2, 2.0, 5)


@pytest.mark.parametrize("tapped", [True, False])
def test_a_sum_with_class_weights_may_be_divided_by_the_number_of_targets(tapped: bool) -> None:  # noqa: FBT001
    def divided(by: Callable[[int], float]) -> Report:
        torch.manual_seed(0)
        model = nn.Linear(20, 5)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watch(model, optimizer) as step:
            for n in NS:
                x, y = drawn(n)
                loss = F.cross_entropy(model(x), y, weight=WEIGHTS, reduction="sum")
                loss = step.tap(loss, targets=n, reduction="sum") if tapped else loss
                (loss / by(n)).backward()
            optimizer.step()
        return step.report()

    report = divided(lambda _: T)
    assert report.ok is True
    assert tapped or any("the number of targets fits" in note for note in report.notes)
    assert [part.count for part in report.parts] == list(NS)
    wrong = divided(lambda n: n * len(NS))
    assert wrong.verdict.value == "mean-of-means"
    assert divided(lambda _: 1.0).factor == pytest.approx(T)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: F.mse_loss(z, F.one_hot(y.clamp(min=0), VOCABULARY).float()),
        lambda z, y: F.binary_cross_entropy_with_logits(z, (z > 0).float() + 0 * y[..., None]),
    ],
)
def test_squared_error_and_binary_cross_entropy_are_read(loss: Any) -> None:
    model = tokens()
    sizes = [inputs.numel() for inputs, _ in BATCHES]

    def right(batch: Any, _: int) -> Tensor:
        inputs, labels = batch
        return loss(model(inputs), labels) * inputs.numel() / sum(sizes)

    assert read(model, right).ok is True
    model.zero_grad()
    assert read(model, lambda b, _: loss(model(b[0]), b[1]) / K).verdict.value == "mean-of-means"


def test_a_mean_over_no_targets_is_named() -> None:
    model = tokens()
    empty = BATCHES[0][0], torch.full_like(BATCHES[0][1], IGNORED)
    report = read(model, lambda batch, n: mean_loss(model, empty if n == COUNTS[1] else batch) / K)
    assert any(note.startswith("Micro-batch 1 has no targets") for note in report.notes)
    assert report.ok is False  # the others are divided by K, whatever their counts


def cross_entropy(z: Tensor, y: Tensor, **options: Any) -> Tensor:
    return F.cross_entropy(z.flatten(0, 1), y.flatten(), **options)


def test_log_probs_that_a_model_returns_are_read() -> None:
    def returns(z: Tensor, y: Tensor) -> Output:
        kept = y != IGNORED
        return Output(log_probs=z.log_softmax(-1)[kept].gather(-1, y[kept][:, None])[:, 0])

    report = read(Named(returns), lambda out, n: -out.log_probs.sum() / N + 0 * n)
    assert report.ok is True
    wrong = read(Named(returns), lambda out, _: -out.log_probs.mean() / K)
    assert wrong.verdict.value == "mean-of-means"


class Opaque(torch.autograd.Function):
    """A fused loss: autograd sees one node that it doesn't know."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor) -> Tensor:
        with torch.enable_grad():
            inner = z.detach().requires_grad_()
            loss = cross_entropy(inner, y)
            (ctx.slope,) = torch.autograd.grad(loss, inner)
        return loss.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ctx.slope, None


def test_a_returned_loss_is_read_by_its_value() -> None:
    model = Named(lambda z, y: Output(loss=Opaque.apply(z, y), logits=z.detach()))
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for inputs, labels in BATCHES:
            (model(inputs=inputs, labels=labels).loss / K).backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "mean-of-means"
    assert [part.count for part in report.parts] == COUNTS


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_an_unknown_loss_is_read_at_the_head(smoothing: float, kind: torch.dtype) -> None:
    def returns(z: Tensor, y: Tensor) -> Output:
        kept, spread = y != IGNORED, (1 - smoothing, smoothing / VOCABULARY)
        target = F.one_hot(y.clamp(min=0), VOCABULARY) * spread[0] + spread[1]
        each = -(target * z.float().log_softmax(-1)).sum(-1)
        return Output(loss=(each * kept).sum())

    model = Named(returns).to(kind)
    assert read(model, lambda out, _: out.loss / N).ok is True
    wrong = read(Named(returns).to(kind), lambda out, n: out.loss / n / K)
    assert wrong.verdict.value == "mean-of-means"
    assert [part.count for part in wrong.parts] == COUNTS


def distilled(z: Tensor, _: Tensor) -> Output:
    teacher = torch.linspace(-1, 1, VOCABULARY).softmax(-1)
    return Output(loss=-(teacher * z.log_softmax(-1)).sum(-1).mean())


@pytest.mark.parametrize(
    "returns",
    [
        distilled,
        lambda z, y: Output(
            loss=-(z / 2).log_softmax(-1).gather(-1, y.clamp(min=0)[..., None]).mean()
        ),
        lambda z, y: Output(loss=cross_entropy(z, y) + 0.1 * z.logsumexp(-1).square().mean()),
    ],
    ids=["distilled", "temperature", "z-loss"],
)
def test_what_cannot_be_read_is_said_not_to_be(returns: Any) -> None:
    said = r"is not a cross-entropy's: \d+% of it is left over\): add `loss ="
    with pytest.raises(ValueError, match=said):
        read(Named(returns), lambda out, _: out.loss / K)


@pytest.mark.parametrize(
    "loss",
    [
        F.multi_margin_loss,
        lambda z, y: F.kl_div(z.log_softmax(-1), F.one_hot(y, 5).float()),
        lambda z, y: z.mean() + 0 * y.sum(),
        lambda z, y: F.smooth_l1_loss(z, F.one_hot(y, 5).float()),
        torch.compile(F.cross_entropy, backend="aot_eager"),
    ],
    ids=["hinge", "divergence", "critic", "huber", "compiled"],
)
@pytest.mark.filterwarnings("ignore")  # of the compiler's
def test_losses_that_autograd_does_not_show_are_not_read(loss: Any) -> None:
    def of(model: nn.Module, n: int) -> Tensor:
        x, y = drawn(n)
        return loss(model(x), y) * n / T

    with pytest.raises(
        ValueError, match=r"without a loss that watch knows\): add `loss = step.tap\(loss"
    ):
        small(of)


def capped(z: Tensor, y: Tensor) -> Output:
    kept = y != IGNORED
    logs = (2 * torch.tanh(z / 2)).log_softmax(-1)[kept]
    return Output(loss=-logs.gather(-1, y[kept][:, None]).mean())


def test_caps_above_the_head_and_underflow_are_not_read() -> None:
    with pytest.raises(ValueError, match="is not a cross-entropy's"):
        read(Named(capped), lambda out, n: out.loss * n / N)

    def plain(z: Tensor, y: Tensor) -> Output:
        kept = y != IGNORED
        return Output(loss=-z.log_softmax(-1)[kept].gather(-1, y[kept][:, None]).mean())

    assert read(Named(plain).half(), lambda out, n: out.loss * n / N).ok is True
    with pytest.raises(ValueError, match="is not a cross-entropy's"):
        read(Named(plain).half(), lambda out, n: out.loss * 1e-5 * n / N)


def test_an_auxiliary_loss_is_a_term_of_its_own() -> None:
    def returns(z: Tensor, y: Tensor) -> Output:
        router = z.square().mean()
        return Output(loss=cross_entropy(z, y) * 1, aux_loss=router)

    report = read(Named(returns), lambda out, n: out.loss * n / N + 0.01 * out.aux_loss / K)
    assert report.ok is True
    assert [name for name, _, _ in report.terms] == ["loss", "aux_loss"]
    assert report.weights[1::2] == pytest.approx([0.01 / K] * K)


def test_a_tap_takes_the_readers_place() -> None:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for k, (batch, n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
            loss = mean_loss(model, batch)
            loss = step.tap(loss, targets=n) if k else loss
            (loss * n / N).backward()
        optimizer.step()
    report = step.report()
    assert report.ok is None
    assert "Tap every loss of the step" in report.to_do


# Losses of which not all is known without a tap

NS = 9, 6, 4, 1
T = sum(NS)


def small(losses: Callable[[nn.Module, int], Tensor], *, passes: int = len(NS)) -> Report:
    """Watch a step of a small classifier, whose loss of n examples is as it counts."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 5))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as step:
        for n in NS[:passes]:
            losses(model, n).backward()
        optimizer.step()
    return step.report()


def drawn(n: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 20), torch.randint(5, (n,))


def entropy(model: nn.Module, n: int, **options: Any) -> Tensor:
    x, y = drawn(n)
    return F.cross_entropy(model(x), y, **options)


def error(model: nn.Module, n: int, **options: Any) -> Tensor:
    return F.mse_loss(model(torch.randn(n, 20)), torch.randn(n, 5), **options)


def supervised(model: nn.Module, n: int) -> Tensor:
    x, y = drawn(n)
    z = model(x)
    return sum(
        (w * F.cross_entropy(z / k, y) for k, w in enumerate((1.0, 0.4, 0.3), 1)), torch.zeros(())
    )


@pytest.mark.parametrize(
    ("losses", "terms"),
    [
        (lambda m, n: entropy(m, n) + 0.3 * error(m, n), ["cross-entropy", "squared error"]),
        (supervised, ["loss 1", "loss 2", "loss 3"]),
        (lambda m, n: supervised(m, n) / 3, ["loss 1", "loss 2", "loss 3"]),
    ],
)
def test_several_losses_of_a_pass_are_terms_of_their_own(losses: Any, terms: list[str]) -> None:
    report = small(lambda m, n: losses(m, n) * n / T)
    assert report.ok is True, report
    assert [name for name, _, _ in report.terms] == terms
    wrong = small(lambda m, n: losses(m, n) / len(NS))
    assert wrong.verdict.value == "mean-of-means"


def both(model: nn.Module, _: int) -> Tensor:
    return error(model, 8) + error(model, 8)


def test_losses_of_one_kind_in_one_pass_are_left_open() -> None:
    report = small(both, passes=1)
    assert report.ok is None
    assert "parts of one mean look the same as terms of their own" in report.claim
    assert report.to_do.startswith("Tap each of them")
    right = small(lambda m, _: sum((entropy(m, n) * n / T for n in NS), torch.zeros(())), passes=1)
    assert right.ok is True


def test_passes_of_several_losses_that_are_zeroed_are_still_missed() -> None:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch in BATCHES:
            optimizer.zero_grad()
            (mean_loss(model, batch) / N + mean_loss(model, batch) / N).backward()
        optimizer.step()
    assert step.report().ok is False


MASKS = [torch.arange(n) % 3 != 1 for n in NS]
KEPT = sum(int(mask.sum()) for mask in MASKS)


def of_mask(n: int) -> Tensor:
    return MASKS[NS.index(n)].float()


def focal(model: nn.Module, n: int) -> Tensor:
    each = entropy(model, n, reduction="none")
    return (1 - torch.exp(-each.detach())).square() * each


@pytest.mark.parametrize(
    ("right", "ok"),
    [
        (lambda m, n: (entropy(m, n, reduction="none") * of_mask(n)).sum() / KEPT, True),
        (
            lambda m, n: (error(m, n, reduction="none") * of_mask(n)[:, None]).sum() / KEPT / 5,
            True,
        ),
        (lambda m, n: (error(m, n, reduction="none") * of_mask(n)[:, None]).sum() / KEPT, None),
        (lambda m, n: (entropy(m, n, reduction="none") * torch.rand(n)).sum() / 10, None),
        (lambda m, n: focal(m, n).sum() / T, None),
        (
            lambda m, n: (
                F.mse_loss(
                    m(torch.randn(n, 20)) * of_mask(n)[:, None],
                    torch.randn(n, 5) * of_mask(n)[:, None],
                    reduction="sum",
                )
                / KEPT
            ),
            None,
        ),
        (lambda m, n: error(m, n, reduction="sum") / T, None),
    ],
    ids=["masked", "masked-error", "by-example", "weighted", "focal", "mask-before", "sum"],
)
def test_a_masked_or_weighted_loss_raises_no_alarm(right: Any, ok: object) -> None:
    report = small(right)
    assert report.ok is ok, report
    assert ok or "step.tap(loss, targets=" in report.to_do


def test_a_masked_mean_of_means_is_named() -> None:
    def masked(model: nn.Module, n: int) -> Tensor:
        each = entropy(model, n, reduction="none") * of_mask(n)
        return each.sum() / of_mask(n).sum() / len(NS)

    assert small(masked).verdict.value == "mean-of-means"


def test_a_loss_that_is_bent_is_not_read() -> None:
    with pytest.raises(ValueError, match="applies SqrtBackward0 to its loss, so the objective"):
        small(lambda m, n: error(m, n).sqrt(), passes=1)


def by_hand(model: nn.Module, n: int) -> Tensor:
    return ((model(torch.randn(n, 20)) - torch.randn(n, 5)) ** 2).mean()


def squared(model: nn.Module, n: int) -> Tensor:
    return (torch.randn(n, 5) - model(torch.randn(n, 20))).square().mean((0, 1))


@pytest.mark.parametrize("written", [by_hand, squared])
def test_squared_errors_by_hand_are_read_if_right_and_asked_about_if_not(written: Any) -> None:
    right = small(lambda m, n: written(m, n) * n / T)
    assert right.ok is True
    assert right.expected == pytest.approx([n / T for n in NS])
    wrong = small(lambda m, n: written(m, n) / len(NS))
    assert wrong.ok is None
    assert wrong.to_do.startswith("Use mse_loss, or tap the loss")
    assert wrong.notes[0].endswith("A weighs every part alike.")


@pytest.mark.parametrize(
    "other",
    [
        lambda m, n: m(torch.randn(n, 20)).square().mean(),
        lambda m, n: (m(torch.randn(n, 20)) - 1).pow(3).mean(),
        lambda m, n: (m(torch.randn(n, 20)) - 1).square().mean(0).sum(),
        lambda m, n: (m(torch.randn(n, 20)) - m(torch.randn(n, 20))).square().mean(),
        lambda m, n: (m[0].weight - 1).square().mean() * n,
        lambda m, n: by_hand(m, n).sqrt(),
    ],
    ids=["no target", "cubes", "by column", "two passes", "penalty", "root"],
)
def test_what_is_no_mean_of_squared_errors_is_not_read_as_one(other: Any) -> None:
    with pytest.raises(ValueError, match="watch must be shown a loss, but none was tapped"):
        small(other)


def test_a_closure_is_read_without_a_tap() -> None:
    def closed(factor: Callable[[int], float]) -> Report:
        torch.manual_seed(0)
        model = nn.Linear(20, 5)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)
        data = [drawn(n) for n in NS]

        def closure() -> float:
            optimizer.zero_grad()
            for x, y in data:
                (F.cross_entropy(model(x), y) * factor(len(y))).backward()
            return 1.0

        with watch(model, optimizer) as step:
            optimizer.step(closure)
        return step.report()

    assert closed(lambda n: n / T).ok is True
    assert closed(lambda _: 1 / len(NS)).verdict.value == "mean-of-means"


# Passes that are terms of their own


def adversarial(
    losses: Callable[[Any, Tensor, Tensor], list[Tensor]], sizes: Sequence[int] = NS
) -> Report:
    """Watch a discriminator's step, with a backward pass for each of its losses."""
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 1))
    optimizer = torch.optim.SGD(judge.parameters(), 0.1)
    with watch(judge, optimizer) as step:
        for n in sizes:
            for loss in losses(judge, torch.randn(n, 6), torch.randn(n, 6)):
                loss.backward()
        optimizer.step()
    return step.report()


def bce(judge: Any, x: Tensor, target: float) -> Tensor:
    z = judge(x)
    return F.binary_cross_entropy_with_logits(z, torch.full_like(z, target))


def lsgan(judge: Any, x: Tensor, target: float) -> Tensor:
    z = judge(x)
    return F.mse_loss(z, torch.full_like(z, target))


@pytest.mark.parametrize("one", [bce, lsgan])
@pytest.mark.parametrize("sizes", [(8,), (8, 8), (9, 6, 4)])
def test_real_and_fake_in_passes_of_their_own_ask_for_a_tap(one: Any, sizes: Any) -> None:
    def apart(judge: Any, real: Tensor, fake: Tensor) -> list[Tensor]:
        share = len(real) / sum(sizes)
        return [one(judge, real, 0.9) * share, one(judge, fake, 0.0) * share]

    report = adversarial(apart, sizes)
    assert report.ok is None, report
    assert "differ in more than their batch" in report.claim
    assert report.to_do.startswith("Tap each of them: loss = step.tap(loss, targets=..., term=")
    halves = adversarial(lambda *given: [loss / 2 for loss in apart(*given)], sizes)
    assert halves.ok is True


def test_a_step_of_a_generator_and_its_discriminator_asks_for_taps() -> None:
    torch.manual_seed(0)
    maker, judge = nn.Linear(3, 6), nn.Linear(6, 1)
    steps = torch.optim.Adam(maker.parameters()), torch.optim.Adam(judge.parameters())
    with watch([maker, judge], steps) as step:
        fake = maker(torch.randn(8, 3))
        bce(judge, torch.randn(8, 6), 1.0).backward()
        bce(judge, fake.detach(), 0.0).backward()
        steps[1].step()
        bce(judge, fake, 1.0).backward()
        steps[0].step()
    report = step.report()
    assert report.ok is None, report
    assert "Tap each of them" in report.to_do


def clean_and_attacked(model: Any, x: Tensor, _: Tensor) -> list[Tensor]:
    y = torch.arange(len(x)) % 5
    return [F.cross_entropy(model(z), y) / len(NS) for z in (x, x + 0.1)]


def two_heads(model: Any, x: Tensor, y: Tensor) -> list[Tensor]:
    z = model[:2](x)
    first, second = model[2](z), model[3](z)
    labels = (y[:, 0] > 0).long()
    return [F.cross_entropy(first, labels) / 4, F.cross_entropy(second, 1 - labels) / 4]


@pytest.mark.parametrize("losses", [clean_and_attacked, two_heads])
def test_passes_of_one_batch_or_of_two_heads_ask_for_a_tap(losses: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 5), nn.Linear(20, 5))
    if losses is clean_and_attacked:
        model = model[:3]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as step:
        for _ in NS:
            for loss in losses(model, torch.randn(8, 6), torch.randn(8, 6)):
                loss.backward(retain_graph=True)
        optimizer.step()
    assert step.report().ok is None


def test_passes_of_other_batches_that_are_never_divided_are_named() -> None:
    def plain(judge: Any, x: Tensor, y: Tensor) -> list[Tensor]:
        return [F.binary_cross_entropy_with_logits(judge(x), (y[:, :1] > 0).float())]

    for sizes in ((12, 12, 12, 12), (12, 8)):
        assert adversarial(plain, sizes).ok is False
