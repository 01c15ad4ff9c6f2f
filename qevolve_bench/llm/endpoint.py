"""Models behind an OpenAI-compatible chat endpoint: a service, or a server of one's own."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from qevolve_bench.llm.background import Background
from qevolve_bench.llm.chat import ChatAgent, ChatConfig, Completion, Request
from qevolve_bench.llm.options import make_config, split_options
from qevolve_bench.schema import Bounds
from qevolve_envs.agent import Failed
from qevolve_envs.errors import BenchError, MissingData

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")
PURPOSE = "agent 'openai'"
OFFICIAL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class EndpointConfig:
    """Settings of the requests to a model.

    Attributes:
        model: The model's name, as the server knows it.
        base_url: The server, with its ``/v1``; by default ``$OPENAI_BASE_URL``, or OpenAI's.
        key_variable: The environment variable with the key. Without one a request is still sent:
            most servers of one's own want none.
        temperature: Of the sampling; null leaves it to the server, as some models demand.
        top_p: Of the sampling; null leaves it to the server.
        max_tokens: The longest answer; null leaves it to the server.
        max_tokens_field: How the server calls that limit (newer models of OpenAI:
            ``max_completion_tokens``).
        send_seed: Send a seed, drawn from the episode's, with each request.
        concurrency: Requests under way at once.
        timeout: Seconds without a sign of life after which an attempt is given up.
        deadline: Seconds for an answer, all attempts and pauses included. A runner's limit for a
            step has to be longer: the answers of a batch come in rounds of `concurrency`.
        retries: Further attempts after one that failed by chance (429, 5xx, a lost connection, a
            timeout, an answer that is no completion).
        backoff: Seconds of the first pause; each further one is twice as long, up to a minute. What
            is waited is drawn between half of it and all of it, and at least what the server asks
            for (Retry-After).
        price_prompt: US dollars per million prompt tokens, for the record.
        price_generated: US dollars per million generated tokens.
        check: Ask a small question before anything is played, so that a wrong key, address, model
            or option is told at once instead of failing every episode.
    """

    model: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    temperature: Annotated[float | None, Bounds(0)] = 0.0
    top_p: Annotated[float | None, Bounds(0, 1)] = None
    max_tokens: Annotated[int | None, Bounds(1)] = 512
    max_tokens_field: str = "max_tokens"
    send_seed: bool = False
    concurrency: Annotated[int, Bounds(1)] = 16
    timeout: Annotated[float, Bounds(0.01)] = 60.0
    deadline: Annotated[float, Bounds(0.01)] = 300.0
    retries: Annotated[int, Bounds(0)] = 5
    backoff: Annotated[float, Bounds(0)] = 1.0
    price_prompt: Annotated[float | None, Bounds(0)] = None
    price_generated: Annotated[float | None, Bounds(0)] = None
    check: bool = True


def make_agent(options: Mapping[str, Any]) -> ChatAgent:
    """Makes the agent ``openai`` from its options, the fields of both configurations.

    Raises:
        BenchError: For options that are wrong, or an endpoint that cannot be used.
    """
    chat, endpoint = split_options(options, (ChatConfig, EndpointConfig), PURPOSE)
    backend = Endpoint(make_config(EndpointConfig, endpoint, PURPOSE))
    agent = ChatAgent(backend, make_config(ChatConfig, chat, PURPOSE))
    if backend.config.check:
        backend.check()
    return agent


class Endpoint:
    """The backend: requests of a batch run concurrently, each until it is answered or given up.

    Attributes:
        config: Its configuration.
        attempts: Requests sent so far, repeated ones included.

    Raises:
        MissingData: Without the openai client.
        BenchError: For an address that is none.
    """

    def __init__(self, config: EndpointConfig) -> None:
        try:
            import openai  # noqa: F401 - a second and more to import, so only here
        except ModuleNotFoundError as error:
            raise MissingData(
                f"The {PURPOSE} needs {error.name}: pip install 'qevolve-bench[llm]'."
            ) from None
        self.config = config
        self.attempts = 0
        self._url = config.base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL
        if not re.match(r"https?://[^/\s]", self._url):
            raise BenchError(
                f"The base URL of {PURPOSE} must begin with http:// or https://, not {self._url!r}."
            )
        if (config.price_prompt is None) != (config.price_generated is None):
            raise BenchError("price_prompt and price_generated go together.")
        # Jitter reaches no result; its own generator keeps the global one untouched.
        self._jitter = random.Random()
        self._background: Background | None = None
        self._client: AsyncOpenAI | None = None
        self._slots: asyncio.Semaphore | None = None

    # ── Backend ─────────────────────────────────────────────────────────────

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failed]:
        """Sends all requests, as many at once as allowed."""
        return self._run(self._complete_all(requests))

    def describe(self) -> dict[str, Any]:
        """Model, decoding and prices. Of the address only whether it is OpenAI's own."""
        config = self.config
        described: dict[str, Any] = {
            "backend": "openai",
            "endpoint": "api.openai.com" if self._url.startswith(OFFICIAL) else "other",
            "model": self._shown_model,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_tokens": config.max_tokens,
            "send_seed": config.send_seed,
        }
        if config.price_prompt is not None:
            prices = {"prompt": config.price_prompt, "generated": config.price_generated}
            described["prices_per_million_tokens"] = prices
        return described

    # ── the life of the connection ──────────────────────────────────────────

    def check(self) -> None:
        """Sends a small request, in the same way as all later ones.

        Raises:
            BenchError: When it is refused, or not answered.
        """
        request = Request([{"role": "user", "content": "Answer with one word: yes."}], 0)
        try:
            answer = self._run(self._persist(request))
        finally:
            self.close()  # The caller may fork before it plays, which no connection survives.
        if isinstance(answer, Failed):
            raise BenchError(f"Cannot make {PURPOSE}: {answer.reason}")

    def close(self) -> None:
        """Closes connections and the thread that serves them; a later request opens new ones."""
        if self._background is not None:
            if self._client is not None:
                self._background.run(self._client.close())
            self._background.stop()
        self._background = self._client = self._slots = None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # Made on first use, and in the process that uses it: neither survives a fork.
        if self._background is None:
            self._background = Background()
        return self._background.run(work)

    async def _connect(self) -> tuple[AsyncOpenAI, asyncio.Semaphore]:
        if self._client is None or self._slots is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                api_key=self._key or "none",
                base_url=self._url,
                timeout=self.config.timeout,
                max_retries=0,  # Counted, limited in time, and wider: see `_persist`.
            )
            self._slots = asyncio.Semaphore(self.config.concurrency)
        return self._client, self._slots

    @property
    def _shown_model(self) -> str:
        """The model's name; of a path on this machine only the last part."""
        model = self.config.model
        return Path(model).name if model.startswith(("/", "~", ".")) else model

    def _private(self) -> dict[str, str]:
        """Texts that no record may hold, and their replacements."""
        private = {self._key: "[key]", self._url: "[url]", self.config.model: self._shown_model}
        return {words: instead for words, instead in private.items() if words}

    @property
    def _key(self) -> str:
        return os.environ.get(self.config.key_variable, "")

    # ── one request ─────────────────────────────────────────────────────────

    async def _complete_all(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        _, slots = await self._connect()

        async def one(request: Request) -> Completion | Failed:
            async with slots:
                return await self._persist(request)

        return await asyncio.gather(*(one(request) for request in requests))

    async def _persist(self, request: Request) -> Completion | Failed:
        """Attempts a request until it is answered, refused for good, or out of time or attempts."""
        from qevolve_bench.llm.errors import explain

        config = self.config
        client, _ = await self._connect()
        reason = "no attempt came to an end"
        end = asyncio.get_running_loop().time() + config.deadline
        try:
            async with asyncio.timeout_at(end):
                for attempt in range(config.retries + 1):
                    try:
                        return await self._attempt(client, request)
                    except Exception as error:
                        failed = explain(
                            error,
                            model=self._shown_model,
                            key_variable=config.key_variable,
                            key=bool(self._key),
                            timeout=config.timeout,
                            private=self._private(),
                        )
                    reason = failed.reason
                    if not failed.transient:
                        return Failed(f"{reason}.")
                    if attempt < config.retries:
                        pause = self._pause(attempt, failed.retry_after)
                        if asyncio.get_running_loop().time() + pause >= end:
                            break
                        await asyncio.sleep(pause)
                else:
                    return Failed(f"no answer in {config.retries + 1} attempts: {reason}.")
        except TimeoutError:
            pass
        return Failed(f"no answer within {config.deadline:g} s: {reason}.")

    async def _attempt(self, client: AsyncOpenAI, request: Request) -> Completion:
        config = self.config
        body: dict[str, Any] = {"model": config.model, "messages": list(request.messages)}
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.top_p is not None:
            body["top_p"] = config.top_p
        if config.max_tokens is not None:
            # extra_body, because the name is the user's choice.
            body["extra_body"] = {config.max_tokens_field: config.max_tokens}
        if config.send_seed:
            body["seed"] = request.seed
        self.attempts += 1
        return _read(await client.chat.completions.create(**body))

    def _pause(self, attempt: int, retry_after: float) -> float:
        backoff = min(60.0, self.config.backoff * 2.0**attempt)
        return max(retry_after, backoff * self._jitter.uniform(0.5, 1.0))


def _read(answer: Any) -> Completion:
    """Takes the text and the counts out of an answer; the client hardly validates any of it."""
    from qevolve_bench.llm.errors import NoCompletionError

    choices = getattr(answer, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise NoCompletionError("the answer has no choices")
    message = getattr(choices[0], "message", None)
    content = getattr(message, "content", None)
    if message is None or not (content is None or isinstance(content, str)):
        raise NoCompletionError("the answer has no message with text")
    usage = getattr(answer, "usage", None)
    counts = [getattr(usage, name, 0) for name in ("prompt_tokens", "completion_tokens")]
    read, written = (n if type(n) is int and 0 <= n < 2**53 else 0 for n in counts)
    # No content at all: a refusal, or reasoning that used the whole budget. An empty action.
    return Completion(content or "", read, written)
