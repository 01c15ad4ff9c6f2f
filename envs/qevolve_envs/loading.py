"""Loading what a user names as ``module:attribute``, with errors of one sentence."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from qevolve_envs.errors import BenchError, UnknownName

#: Longest error text of foreign code that is repeated in a message or an episode.
MAX_REASON = 500


def describe(error: BaseException) -> str:
    """The kind and the message of an error, in one line of bounded length."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # A foreign exception may well fail to print itself.
        message = ""
    name = type(error).__name__
    text = f"{name}: {message}" if message else name
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."


@contextmanager
def importable_cwd() -> Iterator[None]:
    """Makes modules of the current working directory importable, as ``python -m`` does."""
    entry = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if entry in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(entry)


def load_module(name: str, purpose: str) -> ModuleType:
    """Imports a module that a user named.

    Args:
        name: Dotted name.
        purpose: What it is for, such as ``"agent 'x:y'"``; it begins the error's sentence.

    Raises:
        BenchError: When there is no such module, or when importing it fails.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise BenchError(f"Cannot load {purpose}: {name!r} is not the dotted name of a module.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself (or its package) is missing, or only something that it imports.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UnknownName(f"Cannot load {purpose}: no module named {name!r}.") from None
        raise BenchError(f"Cannot load {purpose}: {name} needs {error.name}.") from error
    except (Exception, SystemExit) as error:
        raise BenchError(
            f"Cannot load {purpose}: importing {name} raised {describe(error)}."
        ) from error


def load_attribute(reference: str, purpose: str) -> Any:
    """Loads the object behind ``module:attribute``.

    Raises:
        BenchError: When the module or its attribute cannot be found or loaded.
    """
    module_name, _, attribute = reference.partition(":")
    with importable_cwd():
        module = load_module(module_name, purpose)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UnknownName(f"Cannot load {purpose}: {_lacking(module, attribute)}") from None


def _lacking(module: ModuleType, attribute: str) -> str:
    """That a module has no such name, with the closest that it has."""
    if not attribute:
        return f"name what makes it, as in {module.__name__}:make."
    public = [name for name in vars(module) if not name.startswith("_")]
    close = difflib.get_close_matches(attribute, public, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else "."
    return f"{module.__name__} has no {attribute!r}{hint}"
