"""A causal language model as a policy: made from scratch, or loaded from a folder.

`Policy` holds the model, its tokenizer and the settings of its transcripts; it saves to a folder
that `AutoModelForCausalLM.from_pretrained` reads. `qevolve_baselines.model.agent` makes it an
agent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from qevolve_baselines import parallel
from qevolve_baselines.data.transcript import STYLES, Encoder
from qevolve_baselines.model.adapters import merged
from qevolve_baselines.model.decoding import (
    Decoder,
    GenerateDecoder,
    LockstepDecoder,
    reads_in_lockstep,
)
from qevolve_baselines.model.tokenizer import train_tokenizer
from qevolve_envs.errors import BadFile, BenchError, MissingData, UnknownName

#: What a saved policy knows beyond what transformers saves.
CONFIG_FILE = "qevolve.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DECODERS = ("lockstep", "generate")


@dataclass(slots=True)
class TranscriptConfig:
    """Settings of the transcripts that a policy reads and writes.

    Attributes:
        style: ``bare`` actions, or ``react``: "Thought: … Action: …".
        context: Longest transcript, in tokens.
        max_action_tokens: Longest action, its stop token included.
        max_observation_tokens: Longest observation; longer ones lose their middle.
    """

    style: str = "bare"
    context: int = 1024
    max_action_tokens: int = 24
    max_observation_tokens: int = 256


@dataclass(slots=True)
class ScratchConfig:
    """A small model that is made here.

    Attributes:
        architecture: ``llama``, ``qwen2`` or ``qwen3``.
        hidden_size: Width of the residual stream.
        layers: Number of blocks.
        heads: Attention heads.
        kv_heads: Heads of keys and values; fewer of them decode faster.
        mlp_ratio: Width of the MLP over `hidden_size`.
        vocabulary: Most entries of the tokenizer.
        tokens: Largest unit of a token: ``phrases`` or ``words``; see
            `qevolve_baselines.model.tokenizer`.
    """

    architecture: str = "llama"
    hidden_size: int = 64
    layers: int = 3
    heads: int = 4
    kv_heads: int = 4
    mlp_ratio: float = 4.0
    vocabulary: int = 1024
    tokens: str = "phrases"


def make_model(config: ScratchConfig, tokenizer: Any, context: int, seed: int) -> Any:
    """Makes a model with random weights, a pure function of its arguments.

    Args:
        config: Architecture and size.
        tokenizer: Decides the size of the vocabulary.
        context: Longest input.
        seed: Seed of the weights.
    """
    from transformers import AutoModelForCausalLM
    from transformers.models.llama import LlamaConfig
    from transformers.models.qwen2 import Qwen2Config
    from transformers.models.qwen3 import Qwen3Config

    classes: dict[str, Any] = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
    if config.architecture not in classes:
        raise UnknownName.of("architecture", config.architecture, classes)
    if config.hidden_size % config.heads or config.heads % config.kv_heads:
        raise BenchError(
            f"hidden_size {config.hidden_size} must be a multiple of heads {config.heads}, and"
            f" heads of kv_heads {config.kv_heads}."
        )
    model_config = classes[config.architecture](
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=int(config.hidden_size * config.mlp_ratio),
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.hidden_size // config.heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # transformers draws weights from torch's global generator, which is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(model_config, attn_implementation="sdpa")


class Policy:
    """A model, its tokenizer, and the settings of its transcripts.

    Args:
        model: A Hugging Face causal language model.
        tokenizer: Its tokenizer.
        transcript_config: See `TranscriptConfig`.
    """

    def __init__(self, model: Any, tokenizer: Any, transcript_config: TranscriptConfig) -> None:
        if transcript_config.style not in STYLES:
            raise UnknownName.of("style", transcript_config.style, STYLES)
        if tokenizer.pad_token_id is None:
            raise BenchError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no padding token: set"
                " tokenizer.pad_token (its eos_token will do) and save it."
            )
        longest = getattr(model.config, "max_position_embeddings", None)
        if longest is not None and transcript_config.context > longest:
            raise BenchError(
                f"The model reads at most {longest} tokens, not {transcript_config.context}: lower"
                " the context."
            )
        self.model = model
        self.tokenizer = tokenizer
        self.transcript_config = transcript_config
        self.encoder = Encoder(
            tokenizer,
            style=transcript_config.style,
            context=transcript_config.context,
            max_action_tokens=transcript_config.max_action_tokens,
            max_observation_tokens=transcript_config.max_observation_tokens,
        )

    @classmethod
    def scratch(
        cls,
        texts: Iterable[str],
        config: ScratchConfig,
        transcript_config: TranscriptConfig,
        seed: int,
    ) -> Policy:
        """A new small policy, whose tokenizer is trained on texts of the environment."""
        tokenizer = train_tokenizer(texts, config.vocabulary, config.tokens)
        return cls(
            make_model(config, tokenizer, transcript_config.context, seed),
            tokenizer,
            transcript_config,
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        attention: str | None = None,
        gradient_checkpointing: bool = False,
        transcript_config: TranscriptConfig | None = None,
    ) -> Policy:
        """Loads a policy that `save` wrote, or any Hugging Face model and its tokenizer.

        Args:
            path: A folder, or a name that transformers finds in its own cache (`hf download NAME`
                puts it there).
            device: Such as ``cpu`` or ``cuda``.
            dtype: One of `DTYPES`.
            attention: ``sdpa``, ``eager`` or ``flash_attention_2``; what transformers chooses by
                default, which is the fastest that needs no other package.
            gradient_checkpointing: See `checkpoint_gradients`.
            transcript_config: Settings of the transcripts; by default the saved ones.

        Raises:
            BenchError: When there is no such model, or when it lacks what a policy needs.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        kind, where = find_dtype(dtype), find_device(device)
        chosen = {} if attention is None else {"attn_implementation": attention}
        try:
            with quiet():
                # What is not on this machine is not fetched: a typo would take minutes to be told.
                tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
                model = AutoModelForCausalLM.from_pretrained(
                    path, dtype=kind, local_files_only=True, **chosen
                )
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # A damaged file is told in a way of its own by each of the libraries underneath.
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise BadFile(f"Cannot load a model from {path}: {reason}") from error
        if gradient_checkpointing:
            checkpoint_gradients(model)
        return Policy(model.to(where), tokenizer, transcript_config or read_transcript_config(path))

    def save(self, path: str | Path) -> None:
        """Writes the policy into a folder, which appears whole or not at all.

        Adapters (see `qevolve_baselines.model.adapters`) are merged into the weights.
        Of several processes (see `qevolve_baselines.parallel`) the first one does it.

        Raises:
            BadFile: When the place cannot be written.
        """
        if not parallel.is_main():
            return
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            self._write(part)
            old = path.with_name(path.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            if path.exists():
                path.rename(old)
            part.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise BadFile(f"Cannot write {path}: {error.strerror or error}.") from None

    def _write(self, folder: Path) -> None:
        """Writes the files of the policy into a folder."""
        with quiet():
            merged(self.model).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        (folder / CONFIG_FILE).write_text(
            json.dumps(asdict(self.transcript_config), indent=2) + "\n"
        )

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        device: torch.device = self.model.device
        return device

    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    def digest(self) -> str:
        """SHA-256 of the weights, which names the policy in records."""
        return weights_digest(self.model)

    def decoder(self, kind: str = "lockstep") -> Decoder:
        """A decoder of one of the kinds of `DECODERS`.

        A model that cannot be read in lockstep gets ``generate`` in any case; it samples from the
        same distribution by the same numbers.
        """
        if kind not in DECODERS:
            raise UnknownName.of("decoder", kind, DECODERS)
        if kind == "lockstep" and reads_in_lockstep(self.model, self.transcript_config.context):
            return LockstepDecoder(self.model)
        return GenerateDecoder(self.model, int(self.tokenizer.pad_token_id))


def weights_digest(module: torch.nn.Module) -> str:
    """SHA-256 of a module's weights."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def find_device(name: str) -> torch.device:
    """The device of a name such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        BenchError: When there is none of that name.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BenchError(f"{name!r} is not a device: use cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise MissingData(f"There is no CUDA device {name!r} here: use --device cpu.")
    return device


def find_dtype(name: str) -> torch.dtype:
    """The type of numbers of a name.

    Raises:
        UnknownName: For a name that is not in `DTYPES`.
    """
    if name not in DTYPES:
        raise UnknownName.of("dtype", name, DTYPES)
    return DTYPES[name]


def checkpoint_gradients(model: Any) -> None:
    """Lets a model compute its activations a second time instead of keeping them.

    Training then takes a third more time, and memory for one layer's activations only.
    """
    # transformers 5 has given it another name, and warns of the old one.
    enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
    enable({"use_reentrant": False})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets transformers load and save without bars and warnings; its settings are put back."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def read_transcript_config(path: str | Path) -> TranscriptConfig:
    """Reads the settings that a policy was saved with; the defaults for a foreign model."""
    file = Path(path) / CONFIG_FILE
    if not file.is_file():
        return TranscriptConfig()
    try:
        return TranscriptConfig(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadFile(
            f"{file} does not hold the settings of a policy's transcripts: {error}."
        ) from None
