"""BatchNorm takes its statistics from each batch, however many are accumulated."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss, merged

ABOUT = About(
    project="ultralytics/yolov5",
    averaged="batches normalized one by one",
    address="https://github.com/ultralytics/yolov5/issues/1630",
    reported="2020-12-07",
    state="closed",
    seen="2026-11-26",
    kind="not-a-mean",
    reduces="the accumulating loop of train.py, as the report quotes it",
    world="normalized",
    remark=(
        "By design: the maintainer says in the thread that results are not identical for this "
        "reason."
    ),
)


def before(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()


def after(loop: Loop) -> None:
    batch = merged(loop.batches)
    loop.tap(mean_loss(loop.model, batch), targets=count(batch)).backward()
    loop.optimizer.step()
