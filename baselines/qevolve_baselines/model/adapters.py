"""Low-rank adapters (Hu et al. 2021): a large model learns through a few parameters, by peft.

Adapters are put into the model's own layers, so that everything that reads the model goes on as
before: decoding, critics that begin as copies of its backbone (they train adapters too), and frozen
references. A policy is saved merged: the folder holds a plain model, for which nobody needs peft.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from qevolve_envs.errors import BenchError, MissingData


@dataclass(slots=True)
class LoraSettings:
    """Low-rank adapters.

    Attributes:
        rank: Rank of each adapter.
        alpha: Scale of adapters, over their rank.
        dropout: Dropout of the adapters' inputs.
        targets: Names of the layers that get one, parted by commas; ``all-linear`` for all but the
            head.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str = "all-linear"


def add_lora(model: Any, settings: LoraSettings, seed: int) -> None:
    """Puts adapters into a model, and freezes everything else.

    Args:
        model: Is changed.
        settings: Their form.
        seed: Seed of their weights; at first the model's outputs do not depend on it.

    Raises:
        MissingData: Without peft.
        BenchError: For settings that do not fit the model.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingData("Adapters need peft: pip install 'qevolve-bench[lora]'.") from None
    targets: Any = settings.targets
    if targets != "all-linear":
        targets = [name.strip() for name in targets.split(",")]
    # peft draws from torch's global generator, which is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            config = LoraConfig(
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=targets,
                task_type="CAUSAL_LM",
            )
            inject_adapter_in_model(config, model)
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise BenchError(f"The adapters do not fit the model: {reason}") from None
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)


def merged(model: Any) -> Any:
    """The same model without adapters: itself if it has none, else a copy they are merged into."""
    if not any(name.endswith(".lora_A") for name, _ in model.named_modules()):
        return model
    plain = copy.deepcopy(model)
    for name, layer in list(plain.named_modules()):
        if hasattr(layer, "lora_A"):
            layer.merge()
            plain.set_submodule(name, layer.get_base_layer())
    return plain
