"""Only the last mini-batch of a mega-batch reached the optimizer."""

from typing import Any

import torch
import torch.nn.functional as F
from field.tiny import CatchingSGD
from torch import nn

from museum.exhibit import About, Played, Stage

ABOUT = About(
    project="huggingface/sentence-transformers",
    averaged="the last mini-batch alone",
    address="https://github.com/huggingface/sentence-transformers/pull/3854",
    reported="2026-07-09",
    state="closed",
    seen="2026-11-26",
    kind="dropped",
    factor=4.0,
    real="sentence-transformers 5.1.2 and 6.2.0: MegaBatchMarginLoss",
    before="now+sentence-transformers-5.1.2",
    after="now+sentence-transformers-6.2.0",
    remark="Fixed by #3862.",
)


SIZE, MINI = 12, 3


class Encoder(nn.Sequential):
    """Stands in for a SentenceTransformer: features to embeddings."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8))

    def layers(self, x: Any) -> Any:
        return super().forward(x)

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"sentence_embedding": self.layers(features["input_ids"])}


def play(stage: Stage, *, right: bool) -> Played:
    del right  # the release decides
    from sentence_transformers.losses import MegaBatchMarginLoss

    dtype = getattr(torch, stage.dtype)
    model = Encoder().to(dtype)
    criterion = MegaBatchMarginLoss(model, mini_batch_size=MINI)
    generator = torch.Generator().manual_seed(1)
    anchor, positive = torch.randn(2, SIZE, 6, generator=generator, dtype=torch.float64).to(dtype)
    optimizer = CatchingSGD(model)
    with stage.window(model, optimizer, expect="part") as tap:
        features = [{"input_ids": anchor}, {"input_ids": positive}]
        loss = criterion(features, torch.zeros(SIZE))
        tap(loss, targets=SIZE).backward()
        optimizer.step()
    stage.losses = [float(loss)]
    stage.handed = optimizer.handed[-1]
    with torch.no_grad():
        scores = F.cosine_similarity(model.layers(anchor)[:, None], model.layers(positive), dim=-1)
    hardest = (scores - 2 * torch.eye(SIZE, dtype=dtype)).argmax(1)

    def each(encoder: Any, rows: Any) -> Any:
        a, p = encoder.layers(anchor[rows]), encoder.layers(positive[rows])
        n = encoder.layers(positive[hardest[rows]])
        near, far = F.cosine_similarity(a, p), F.cosine_similarity(a, n)
        return F.relu(0.8 - near) + F.relu(far - 0.3)

    return Played(model, list(torch.arange(SIZE).split(MINI)), each=each)
