"""The manifest of a submission: read strictly, and compared with the suite of this package."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from qevolve_bench.runner.results import Manifest, parse_manifest
from qevolve_bench.schema import parse_json, place, quoted
from qevolve_bench.submissions.files import MANIFEST, MAX_MANIFEST_BYTES, Folder
from qevolve_bench.suites import Cell, Suite, load_suite, suite_names
from qevolve_envs.errors import BadFile

#: What an agent may be called: it ends up in tables, so nothing that Markdown or HTML could read.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+@=,~-]{0,99}")
_LINK = re.compile(r"https://[A-Za-z0-9.-]{1,100}(/[A-Za-z0-9._~/%+@=-]{0,200})?")
#: Name of the folder of a submission; it becomes a link.
SUBMISSION_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Longest reason why a cell was skipped.
_MAX_REASON = 2_000


def check_agent_name(name: str) -> None:
    """Raises `BadFile` for a name that no table should show."""
    if not _NAME.fullmatch(name):
        raise BadFile(
            f"the agent's name {quoted(name)} must be 1 to 100 letters, digits, spaces and"
            " . _ : / + @ = , ~ - and begin with a letter or digit"
        )


def check_link(link: object) -> None:
    """Raises `BadFile` for a link that no table should carry."""
    if not (isinstance(link, str) and _LINK.fullmatch(link)):
        raise BadFile(
            f"the agent's link {quoted(link)} must be an https:// address of plain characters"
        )


def read_foreign_manifest(folder: Folder) -> Manifest:
    """The manifest of a submission, with every field that is used checked.

    Raises:
        BadFile: With what is wrong, without a full stop.
    """
    try:
        raw = parse_json(folder.read(MANIFEST, MAX_MANIFEST_BYTES))
    except BadFile as error:
        words = str(error).rstrip(".")
        raise BadFile(words if MANIFEST in words else f"{MANIFEST} {words}") from None
    _check_strings(raw)
    with place(MANIFEST):
        manifest = parse_manifest(raw)
    if not manifest["complete"]:
        raise BadFile("the run is not complete")
    if "description" not in manifest["agent"]:
        raise BadFile(f"{MANIFEST}: agent lacks the field 'description'")
    check_agent_name(manifest["agent"]["name"])
    if "link" in manifest["agent"]["description"]:
        check_link(manifest["agent"]["description"]["link"])
    return manifest


def find_suite(manifest: Manifest, given: Suite | None) -> Suite:
    """The suite that was played, as this package (or the caller) knows it.

    Args:
        manifest: Names the suite; what it says of its cells has to agree.
        given: The only suite that is accepted; None for those of the package.

    Raises:
        BadFile: With what is wrong, without a full stop.
    """
    raw = manifest["suite"]
    name = raw.get("name")
    known = suite_names() if given is None else [given.name]
    # Never `load_suite` on a foreign name: it also reads paths.
    if not isinstance(name, str) or name not in known:
        raise BadFile(f"the suite {quoted(name)} is not one of {', '.join(known)}")
    suite = given or load_suite(name)
    with place(MANIFEST):
        claimed = Suite.from_json(raw)
    if [c.name for c in claimed.cells] != [c.name for c in suite.cells]:
        raise BadFile(f"the cells in {MANIFEST} are not those of {name}")
    for cell, due in zip(claimed.cells, suite.cells, strict=True):
        if difference := _difference(cell, due):
            raise BadFile(f"{difference} of cell {due.name} is not that of {name} in this package")
    measured = all(cell.panel is not None for cell in suite.cells)
    if measured and claimed.digest != suite.digest:
        raise BadFile(f"the suite's digest is not that of {name} in this package")
    return suite


def check_parts(manifest: Manifest, suite: Suite, needs: Mapping[str, str]) -> None:
    """Checks that summary, skipped and files speak of the suite's cells, and of all of them.

    Args:
        manifest: As `read_foreign_manifest` returns it.
        suite: As `find_suite` returns it.
        needs: What the environment of each cell needs; ``""`` for an embedded one.

    Raises:
        BadFile: With what is wrong, without a full stop.
    """
    cells = [cell.name for cell in suite.cells]
    for name, reason in manifest["skipped"].items():
        if name not in cells:
            raise BadFile(f"the skipped cell {quoted(name)} is not one of {suite.name}")
        if not 0 < len(reason) <= _MAX_REASON:
            raise BadFile(f"cell {name} was skipped without a reason")
        if not needs[name]:
            raise BadFile(f"cell {name} was skipped, though its environment needs nothing")
    played = {name for name in cells if name not in manifest["skipped"]}
    if not played:
        raise BadFile("every cell was skipped")
    parts: dict[str, Mapping[str, Any]] = {
        "summary": manifest["summary"],
        "files": manifest["files"],
    }
    for part, entries in parts.items():
        if entries.keys() != played:
            raise BadFile(f"{part} in {MANIFEST} does not list the cells that were played")


def _difference(cell: Cell, due: Cell) -> str:
    claimed, known = cell.to_json(), due.to_json()
    for name, value in known.items():
        # Anchors are measured by the package, and what was never measured is the player's claim.
        if name == "anchors" or (name in ("tasks", "panel") and value is None):
            continue
        if claimed[name] != value or repr(claimed[name]) != repr(value):
            return {"panel": "the panel digest"}.get(name, name)
    return ""


def _check_strings(raw: Any) -> None:
    """No control characters anywhere: somebody will print it."""
    stack = [raw]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str) and not value.isprintable():
            # Prompts have lines and tabs; nothing has escapes or reversed writing.
            plain = value.replace("\n", "").replace("\t", "")
            if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in plain):
                raise BadFile(f"{MANIFEST} has a control character in {quoted(value)}")
