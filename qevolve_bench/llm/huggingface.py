"""A causal language model of one's own, through transformers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from qevolve_bench.llm.chat import ChatAgent, ChatConfig, Completion, Request
from qevolve_bench.llm.dialogue import ChatMessage
from qevolve_bench.llm.options import make_config, split_options
from qevolve_bench.schema import Bounds
from qevolve_envs.agent import Failed
from qevolve_envs.errors import BenchError, MissingData, UnknownName
from qevolve_envs.loading import describe

if TYPE_CHECKING:
    import torch

PURPOSE = "agent 'hf'"
DTYPES = ("auto", "float32", "float16", "bfloat16")
#: What ends an answer where there is no chat template: the beginning of the next message.
_NEXT_MESSAGE = "\nObservation:"


@dataclass(frozen=True)
class HuggingFaceConfig:
    """Which model, and how it decodes.

    Attributes:
        model: A folder that ``save_pretrained`` wrote, with model and tokenizer.
        device: Of torch, such as ``cpu`` or ``cuda``.
        dtype: One of `DTYPES`; ``auto`` leaves it to transformers; the record says what it was.
        max_tokens: The longest answer.
        temperature: 0 decodes greedily; otherwise the noise of each answer is drawn from the
            episode's seed, whatever else is in the batch.
        batch_size: Dialogues that are completed at once.
    """

    model: str
    device: str = "cpu"
    dtype: str = "auto"
    max_tokens: Annotated[int, Bounds(1)] = 256
    temperature: Annotated[float, Bounds(0)] = 0.0
    batch_size: Annotated[int, Bounds(1)] = 16


def make_agent(options: Mapping[str, Any]) -> ChatAgent:
    """Makes the agent ``hf`` from its options, the fields of both configurations.

    Raises:
        BenchError: For options that are wrong, or a model that cannot be loaded.
    """
    chat, model = split_options(options, (ChatConfig, HuggingFaceConfig), PURPOSE)
    config = make_config(HuggingFaceConfig, model, PURPOSE)
    chat_config = make_config(ChatConfig, chat, PURPOSE)
    return ChatAgent(HuggingFace(config), chat_config)


class HuggingFace:
    """The backend: dialogues are padded on the left and completed in batches.

    Dialogues become text by the tokenizer's chat template, or as a plain transcript where it has
    none. Padding changes the last bits of a model's numbers, so a near tie may be decided otherwise
    in another batch: two runs are surely the same only with the same batches.

    Raises:
        MissingData: Without torch and transformers.
        BenchError: When the model cannot be loaded.
    """

    def __init__(self, config: HuggingFaceConfig) -> None:
        if config.dtype not in DTYPES:
            raise UnknownName.of("dtype", config.dtype, DTYPES)
        folder = Path(config.model)
        if not (folder / "config.json").is_file():
            raise BenchError(
                f"{config.model} is not a folder with a model (it has no config.json): give the"
                " folder that save_pretrained wrote as --model."
            )
        try:
            import torch
            import transformers
        except ModuleNotFoundError as error:
            raise MissingData(
                f"The {PURPOSE} needs {error.name}: pip install 'qevolve-bench[train]'."
            ) from None
        self.config = config
        try:
            # Never the network, and never code that comes with the weights.
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, padding_side="left"
            )
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True
            )
            dtype = None if config.dtype == "auto" else getattr(torch, config.dtype)
            self._model = model.to(device=torch.device(config.device), dtype=dtype).eval()
        except Exception as error:  # Every kind, out of libraries that read foreign files.
            raise BenchError(
                f"Cannot load the model in {config.model}: {describe(error)}."
            ) from error
        tokenizer = self._tokenizer
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token_id is None:
            raise BenchError(f"The tokenizer in {config.model} has no token to pad or end with.")
        ends = self._model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        self._ends: list[int] = ends if isinstance(ends, list) else [] if ends is None else [ends]
        # Nothing else of the model's own settings (a temperature, say): decoding is ours to state.
        settings: Any = transformers.GenerationConfig
        self._model.generation_config = settings(
            max_new_tokens=config.max_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=self._ends or None,
        )
        self._system_allowed = tokenizer.chat_template is None or self._allows_system()

    def describe(self) -> dict[str, Any]:
        """Name and digest of the model, and the decoding; not the folder, nor the device."""
        config = self.config
        return {
            "backend": "hf",
            "model": Path(config.model).resolve().name,
            "model_digest": _digest(Path(config.model)),
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "batch_size": config.batch_size,
            "chat_template": self._tokenizer.chat_template is not None,
        }

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failed]:
        """Completes all dialogues; one that is too long for the model fails."""
        texts = [self._text(request.messages) for request in requests]
        answers: list[Completion | Failed] = [Failed("") for _ in requests]
        fitting = []
        longest = getattr(self._model.config, "max_position_embeddings", None) or math.inf
        for index, tokens in enumerate(self._tokenize(texts)["input_ids"] if texts else []):
            if len(tokens) + self.config.max_tokens > longest:
                answers[index] = Failed(
                    f"the dialogue's {len(tokens)} tokens and an answer's {self.config.max_tokens}"
                    f" are more than the model's {longest}: keep fewer turns by --agent-arg"
                    " history=N, or shorten answers by --agent-arg max_tokens=N."
                )
            else:
                fitting.append(index)
        for start in range(0, len(fitting), self.config.batch_size):
            batch = fitting[start : start + self.config.batch_size]
            seeds = [requests[index].seed for index in batch]
            completions = self._generate([texts[index] for index in batch], seeds)
            for index, completion in zip(batch, completions, strict=True):
                answers[index] = completion
        return answers

    def _text(self, messages: Sequence[ChatMessage]) -> str:
        """A dialogue as the text that the model continues."""
        if self._tokenizer.chat_template is None:
            return _transcript(messages)
        return self._apply_template(messages if self._system_allowed else _merged(messages))

    def _apply_template(self, messages: Sequence[ChatMessage]) -> str:
        text: str = self._tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True
        )
        return text

    def _allows_system(self) -> bool:
        """Some chat templates raise an error for a system message, in words of their own."""
        trial: list[ChatMessage] = [
            {"role": "system", "content": "a"},
            {"role": "user", "content": "b"},
        ]
        try:
            self._apply_template(trial)
        except Exception:
            return False
        return True

    def _tokenize(self, texts: Sequence[str], **options: Any) -> Any:
        # A chat template writes the special tokens itself.
        special = self._tokenizer.chat_template is None
        return self._tokenizer(list(texts), add_special_tokens=special, **options)

    def _generate(self, texts: Sequence[str], seeds: Sequence[int]) -> list[Completion]:
        """Completes one batch.

        Args:
            texts: What is continued, one for each dialogue.
            seeds: Of the sampling, one for each dialogue.
        """
        import torch

        inputs = self._tokenize(texts, padding=True, return_tensors="pt").to(self._model.device)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]  # both (batch, longest prompt)
        options: dict[str, Any] = {}
        if self._tokenizer.chat_template is None:
            options |= {"stop_strings": [_NEXT_MESSAGE], "tokenizer": self._tokenizer}
        if self.config.temperature > 0:
            options["logits_processor"] = [_gumbel_noise(self.config.temperature, seeds)]
        with torch.inference_mode():
            output = self._model.generate(input_ids=ids, attention_mask=mask, **options)
        completions = []
        for row, prompt_mask in zip(output[:, ids.shape[1] :].tolist(), mask, strict=True):
            written = _until_end(row, self._ends, self._tokenizer.pad_token_id)
            text = self._tokenizer.decode(written, skip_special_tokens=True)
            text = text.split(_NEXT_MESSAGE)[0] if "stop_strings" in options else text
            completions.append(Completion(text, int(prompt_mask.sum()), len(written)))
        return completions


def _until_end(row: Sequence[int], ends: Sequence[int], pad: int) -> list[int]:
    """The tokens of an answer, its end included and the padding left out."""
    for position, token in enumerate(row):
        if token in ends:
            return list(row[: position + 1])
        if token == pad:
            return list(row[:position])
    return list(row)


def _gumbel_noise(
    temperature: float, seeds: Sequence[int]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A logits processor that makes greedy decoding sample, with chance of its own for each row.

    The largest of ``logit / temperature + Gumbel noise`` is a draw from the softmax (the Gumbel-max
    trick), and -log of an exponential variable is Gumbel noise. The sampling of transformers draws
    for the whole batch from the global generator instead.
    """
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def process(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of shape (batch, vocabulary)."""
        waiting = torch.stack(
            [torch.empty(scores.shape[1]).exponential_(generator=g) for g in generators]
        )
        return scores.float() / temperature - waiting.log().to(scores.device)

    return process


def _transcript(messages: Sequence[ChatMessage]) -> str:
    """A dialogue as plain text, for models that know no roles."""
    lines = [
        f"Observation: {message['content']}" if message["role"] == "user" else message["content"]
        for message in messages
    ]
    return "\n".join(lines) + "\n"


def _merged(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The dialogue with its system message at the head of the first user message."""
    system, first, *rest = messages
    content = f"{system['content']}\n\n{first['content']}"
    return [{"role": "user", "content": content}, *rest]


def _digest(folder: Path) -> str:
    """SHA-256 over what decides about answers: configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".jinja", ".model", ".txt", ".safetensors", ".bin"):
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
