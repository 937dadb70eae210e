"""How torchrun starts workers on this machine."""


def torchrun(workers: int) -> list[str]:
    """Return the arguments with which Python starts so many workers."""
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
