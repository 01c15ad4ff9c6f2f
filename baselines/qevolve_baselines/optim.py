"""The optimiser: AdamW with a schedule, clipping, and errors that name the cause."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qevolve_baselines import parallel
from qevolve_envs.errors import BenchError, UnknownName

SCHEDULES = ("constant", "linear", "cosine")


@dataclass(slots=True)
class OptimConfig:
    """Settings of the optimiser of a network.

    Attributes:
        lr: Learning rate at its height.
        schedule: Decrease of the learning rate towards the end: one of `SCHEDULES`.
        warmup: Share of the updates in which it rises.
        clip_norm: Longest gradient.
        weight_decay: AdamW's.
        beta2: AdamW's second moment; below its usual .999 because runs are short.
        batch_tokens: Tokens of an update.
        pass_tokens: Padded tokens of a forward pass, of which an update takes one or more.
    """

    lr: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.03
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    beta2: float = 0.98
    batch_tokens: int = 4096
    pass_tokens: int = 8192

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise UnknownName.of("schedule", self.schedule, SCHEDULES)
        for name in ("lr", "clip_norm", "batch_tokens", "pass_tokens"):
            if not getattr(self, name) > 0:
                raise BenchError(f"optim.{name} must be more than 0, not {getattr(self, name)}.")
        for name, value in (("warmup", self.warmup), ("beta2", self.beta2)):
            if not 0 <= value < 1:
                raise BenchError(f"optim.{name} must lie between 0 and 1, not {value}.")


class Trainer:
    """AdamW with a schedule, a bound on the gradient, and an error instead of a NaN.

    Several processes (see `qevolve_baselines.parallel`) deal the parameters out: each keeps the
    moments and exact copies of its own, steps these, and is sent the others. That is the first
    stage of ZeRO (Rajbhandari et al. 2020): of bfloat16's 16 bytes a parameter, the optimiser's 12
    are divided by the number of processes.

    Args:
        parameters: The parameters to train.
        config: See `OptimConfig`.
        total: Number of updates that the schedule is laid out for.
        what: Named in errors, such as ``"policy"``.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], config: OptimConfig, total: int, what: str
    ) -> None:
        self.config = config
        self.total = max(1, total)
        self.what = what
        self.updates = 0
        self._figures: dict[str, float] = {}
        self._parameters = [p for p in parameters if p.requires_grad]
        self._owners = parallel.deal([p.numel() for p in self._parameters])
        # A step of the usual size is less than bfloat16 resolves, so exact copies are stepped.
        self._exact = {
            i: p if p.dtype in (torch.float32, torch.float64) else p.detach().float()
            for i, p in enumerate(self._parameters)
            if self._owners[i] == parallel.rank()
        }
        # In a group, because a process may own nothing: there may be more of them than tensors.
        self._adam = torch.optim.AdamW(
            [{"params": list(self._exact.values())}],
            lr=config.lr,
            betas=(0.9, config.beta2),
            weight_decay=config.weight_decay,
        )

    def rate(self) -> float:
        """The learning rate of the next update."""
        config = self.config
        warmup = max(1.0, config.warmup * self.total)
        rising = min(1.0, (self.updates + 1) / warmup)
        left = max(0.0, 1 - self.updates / self.total)
        falling = {
            "constant": 1.0,
            "linear": left,
            "cosine": 0.5 * (1 + math.cos(math.pi * (1 - left))),
        }[config.schedule]
        return config.lr * rising * falling

    def backward(self, loss: Tensor, **figures: float | Tensor) -> None:
        """Adds the gradient of a part of the update's loss.

        Args:
            loss: The part: the shares of an update's parts add up to one.
            figures: Figures to log, already multiplied by the part's fraction; they are summed over
                the update.

        Raises:
            BenchError: When the loss is not a number.
        """
        value = loss.item()
        if not math.isfinite(value):
            raise BenchError(
                f"The loss of the {self.what} is {value} at update {self.updates + 1}:"
                f" lower its learning rate (now {self.config.lr:g})."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        for name, figure in {"loss": value, **figures}.items():
            self._figures[name] = self._figures.get(name, 0.0) + float(figure)

    def step(self) -> dict[str, float]:
        """One update by the gradient that was added up.

        Returns:
            The figures of the update, the length of the gradient before clipping, and the learning
            rate.

        Raises:
            BenchError: When the gradient is not a number.
        """
        parallel.add_gradients(self._parameters)
        norm = self._clip()
        rate = self.rate()
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        for parameter in (*self._parameters, *self._exact.values()):
            parameter.grad = None
        self._round()
        self.updates += 1
        figures, self._figures = parallel.add_figures(self._figures), {}
        return {**figures, "gradient": norm, "lr": rate}

    def _clip(self) -> float:
        """Hands the gradient over to the exact copies, not longer than allowed.

        Returns:
            Its length before.
        """
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if not gradients:
            return 0.0
        # As in `nn.utils.clip_grad_norm_`, but gradients of few bits are shortened in full.
        lengths = [torch.linalg.vector_norm(g.float()) for g in gradients]
        norm = torch.linalg.vector_norm(torch.stack(lengths))
        if not math.isfinite(norm):
            raise BenchError(
                f"The gradient of the {self.what} is not a number at update {self.updates + 1}:"
                f" lower its learning rate (now {self.config.lr:g})."
            )
        shorter = (self.config.clip_norm / (norm + 1e-6)).clamp(max=1.0)
        for i, exact in self._exact.items():
            gradient = self._parameters[i].grad
            if gradient is not None:
                exact.grad = gradient.to(exact.dtype).mul_(shorter)
        return float(norm)

    @torch.no_grad()
    def _round(self) -> None:
        """Puts the exact copies into parameters of fewer bits, in all processes."""
        for i, exact in self._exact.items():
            if exact is not self._parameters[i]:
                self._parameters[i].copy_(exact)
        parallel.send(self._parameters, self._owners)

    def state_dict(self) -> dict[str, Any]:
        """For `Run.track`: the whole state, however many processes hold it.

        Of several processes all must ask at once, and the first one gets it.
        """
        states = {}
        for i, (parameter, owner) in enumerate(zip(self._parameters, self._owners, strict=True)):
            state: dict[str, Tensor] = {}
            if i in self._exact:
                exact = self._exact[i]
                state = {**self._adam.state.get(exact, {})}
                if exact is not parameter:
                    state["exact"] = exact
            if parallel.size() > 1:
                state = {name: tensor.detach().cpu() for name, tensor in state.items()}
            state = parallel.from_owner(state, owner)
            if parallel.is_main():
                states[i] = state
        return {"states": states, "updates": self.updates}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """For `Run.track`; the state may come from another number of processes."""
        self.updates = state_dict["updates"]
        for i, exact in self._exact.items():
            state = dict(state_dict["states"][i])
            kept = state.pop("exact", None)
            if kept is not None:
                exact.copy_(kept)
            # The count of steps stays on the CPU, as AdamW wants it.
            self._adam.state[exact] = {
                name: value.clone() if name == "step" else value.to(exact, copy=True)
                for name, value in state.items()
            }
        self._round()
