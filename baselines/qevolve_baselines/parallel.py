"""Several processes that train one policy: each plays and learns its share of every batch.

Started by ``torchrun --nproc-per-node 2 -m qevolve_bench train …`` (or ``accelerate launch``, which
sets the same variables). Every process holds the whole model and takes the same decisions: a batch
of episodes is dealt out to the processes and gathered again, an update's transcripts are dealt out
and the gradients added up, the optimiser's state is dealt out by parameters, and only the first
process writes files. With one process, all of this is nothing.

What this is not: weights and gradients are not sharded (no FSDP), so that lockstep decoding needs
no other process; they must fit on each device. Gradients are added up after the backward pass
instead of during it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from qevolve_envs.errors import BenchError

T = TypeVar("T")


def size() -> int:
    """Number of processes."""
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if ready else 1


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if size() > 1 else 0


def is_main() -> bool:
    """True in the process that writes files and logs."""
    return rank() == 0


@contextlib.contextmanager
def processes(device: str) -> Iterator[None]:
    """Joins the processes that a launcher has started, if one has.

    Args:
        device: ``cpu``, or ``cuda`` for one device for each process.

    Raises:
        BenchError: When there are more processes than devices.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_cpu = device == "cpu"
    if not on_cpu:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise BenchError(
                f"There are {torch.cuda.device_count()} devices for more processes than that: start"
                " fewer, or use --device cpu."
            )
        torch.cuda.set_device(local)
    distributed.init_process_group("gloo" if on_cpu else "nccl")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(items: Sequence[T]) -> Sequence[T]:
    """The items of this process: every so many-th one."""
    return items[rank() :: size()]


def gather(mine: Sequence[T]) -> list[T]:
    """The inverse of `share`: what all processes made of theirs, in the order of the items."""
    if size() == 1:
        return list(mine)
    parts: list[Any] = [None] * size()
    distributed.all_gather_object(parts, list(mine))
    return [parts[i % size()][i // size()] for i in range(sum(map(len, parts)))]


def from_owner(value: T, owner: int) -> T:
    """The value of one of the processes, in all of them."""
    if size() == 1:
        return value
    box: list[Any] = [value]
    distributed.broadcast_object_list(box, src=owner)
    said: T = box[0]
    return said


def from_main(value: T) -> T:
    """The first process's value, in all of them."""
    return from_owner(value, 0)


def wait() -> None:
    """Goes on once all processes are here."""
    if size() > 1:
        distributed.barrier()


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Adds up the gradients of all processes, in all of them."""
    if size() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)


def deal(sizes: Sequence[int]) -> list[int]:
    """The process that owns each of several things, so that all own about as much.

    Args:
        sizes: Sizes of the things.
    """
    owned = [0] * size()
    owners = [0] * len(sizes)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        owners[i] = owned.index(min(owned))
        owned[owners[i]] += sizes[i]
    return owners


def send(tensors: Iterable[torch.Tensor], owners: Iterable[int]) -> None:
    """Overwrites each tensor by its owner's, in all processes."""
    if size() > 1:
        for tensor, owner in zip(tensors, owners, strict=True):
            distributed.broadcast(tensor, src=owner)


def add_figures(figures: Mapping[str, float]) -> dict[str, float]:
    """Adds up figures of all processes, by name."""
    if size() == 1:
        return dict(figures)
    total: dict[str, float] = {}
    parts: list[Any] = [None] * size()
    distributed.all_gather_object(parts, dict(figures))
    for part in parts:
        for name, figure in part.items():
            total[name] = total.get(name, 0.0) + figure
    return total
