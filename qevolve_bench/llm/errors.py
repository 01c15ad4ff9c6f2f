"""Errors of requests: a reason that may be published, and whether another attempt may help."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from qevolve_envs.loading import describe

#: Statuses below 500 that pass: request timeout, conflict, too early, too many requests.
_PASSING = frozenset({408, 409, 425, 429})
#: How servers say that a prompt is too long: OpenAI's code, then words that others use.
_TOO_LONG = re.compile(
    r"context_length_exceeded|context (?:length|window|size)|maximum (?:context|model|input) length"
    r"|prompt is too long|exceed_context_size",
    re.IGNORECASE,
)


class NoCompletionError(Exception):
    """An answer of the server that is no chat completion; its message says how."""


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """Failure of one attempt.

    Attributes:
        reason: In words, without the key or the host.
        transient: Whether another attempt may help.
        retry_after: Seconds that the server asks to wait.
    """

    reason: str
    transient: bool = False
    retry_after: float = 0.0


def explain(
    error: Exception,
    *,
    model: str,
    key_variable: str,
    key: bool,
    timeout: float,
    private: Mapping[str, str],
) -> FailedRequest:
    """Explains the error of an attempt.

    Args:
        error: What the client raised, or `NoCompletionError`.
        model: The model, as it may be named.
        key_variable: Where the key was looked for.
        key: Whether one was there.
        timeout: Seconds that the attempt was allowed.
        private: Texts that a server may repeat and no record may hold, with their replacements.
    """
    if isinstance(error, openai.APITimeoutError):
        return FailedRequest(f"nothing came for {timeout:g} s", transient=True)
    if isinstance(error, openai.APIConnectionError):
        return FailedRequest(
            "the endpoint cannot be reached, or dropped the connection", transient=True
        )
    if isinstance(error, NoCompletionError):
        return FailedRequest(str(error), transient=True)
    if not isinstance(error, openai.APIStatusError):
        if isinstance(error, ValueError | openai.APIError):  # JSON that is none, for one.
            return FailedRequest("the answer is no chat completion", transient=True)
        return FailedRequest(f"the client raised {_clean(describe(error), private)}")
    status, said = error.status_code, _clean(_message(error), private)
    if status in (401, 403):
        # What the server says here tends to quote the key.
        which = f"another key than that in ${key_variable}" if key else f"a key in ${key_variable}"
        return FailedRequest(f"the endpoint wants {which} ({status})")
    if status == 404:
        return FailedRequest(
            f"the endpoint does not know the model {model!r}, or the base URL lacks its /v1"
            f" (404: {said})"
        )
    if status in (400, 413, 422) and _TOO_LONG.search(f"{error.code} {said}"):
        return FailedRequest(
            "the dialogue is longer than the model's context: keep fewer turns by"
            f" --agent-arg history=N ({status}: {said})"
        )
    if error.code == "insufficient_quota":
        return FailedRequest(f"the account's quota is used up ({status}: {said})")
    transient = status in _PASSING or status >= 500
    return FailedRequest(
        f"the endpoint answered {status}: {said}",
        transient=transient,
        retry_after=_retry_after(error.response.headers) if transient else 0.0,
    )


def _message(error: openai.APIStatusError) -> str:
    """Finds the message of the server, in the several places where servers put it."""
    body: Any = error.body
    for name in ("message", "detail", "error"):
        if isinstance(body, Mapping) and isinstance(body.get(name), str):
            return str(body[name])
    return str(body) if body else "without a word"


def _clean(text: str, private: Mapping[str, str]) -> str:
    """One line of bounded length and nothing private: it ends up in a published record."""
    for words, instead in private.items():
        text = text.replace(words, instead)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 200 else text[:197] + "..."


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait by the header Retry-After (RFC 9110, 10.2.3); 0 without one."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
