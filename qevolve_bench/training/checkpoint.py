"""A trained policy as an agent: ``--agent checkpoint --agent-arg path=RUN``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qevolve_envs.agent import Agent
from qevolve_envs.errors import BenchError, MissingData, UnknownName


def policy_folder(path: str) -> Path:
    """Finds the folder of a policy: it may be given as the folder of its run.

    Raises:
        BenchError: For a run that is not done.
    """
    folder = Path(path)
    if (folder / "policy").is_dir():
        return folder / "policy"
    if (folder / "spec.json").is_file():
        raise BenchError(f"{path} holds no policy yet: give the same train command to go on.")
    return folder


#: Options of the agent ``checkpoint``, and their defaults.
OPTIONS = {
    "temperature": 0.0,
    "decoder": "lockstep",
    "device": "cpu",
    "dtype": "float32",
    "attention": "",
}


def make_agent(path: str, options: Mapping[str, Any]) -> Agent:
    """The agent ``checkpoint``: a trained policy, or any causal language model with its tokenizer.

    Args:
        path: A run folder, a saved policy, or a Hugging Face model.
        options: Some of `OPTIONS`; a temperature of 0 takes the likeliest token.

    Raises:
        BenchError: When there is no such policy, or for a wrong option.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise UnknownName.of("option of agent 'checkpoint'", name, OPTIONS)
        number = isinstance(OPTIONS[name], float)
        if not isinstance(value, int | float if number else str) or isinstance(value, bool):
            kind = "a number" if number else "text"
            raise BenchError(f"Option {name} of agent 'checkpoint' is {kind}, not {value!r}.")
    require_torch()
    from qevolve_baselines.rerank import load_agent

    chosen = {**OPTIONS, **options}
    return load_agent(
        policy_folder(path),
        temperature=float(chosen["temperature"]),
        decoder=str(chosen["decoder"]),
        device=str(chosen["device"]),
        dtype=str(chosen["dtype"]),
        attention=str(chosen["attention"]) or None,
    )


def require_torch() -> None:
    """Refuses to go on where learning is not installed, and says what to install.

    Raises:
        MissingData: Without torch, transformers or what they need.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise MissingData(
            f"Policies need {error.name}: pip install 'qevolve-bench[train]'."
        ) from None
