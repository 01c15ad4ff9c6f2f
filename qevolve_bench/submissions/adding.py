"""Putting one more submission into a leaderboard."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from qevolve_bench.folders import new_folder
from qevolve_bench.schema import write_json
from qevolve_bench.submissions.files import (
    EPISODES,
    MANIFEST,
    MAX_COMPRESSED_BYTES,
    SUFFIX,
    Folder,
)
from qevolve_bench.submissions.leaderboard import SUBMISSION_NAME
from qevolve_bench.submissions.manifest import check_link
from qevolve_bench.submissions.submission import Verdict, pack, verify
from qevolve_envs.errors import BadFile
from qevolve_envs.files import write_file


def add_submission(
    source: Path, root: Path, *, name: str | None = None, link: str | None = None
) -> tuple[Verdict, Path]:
    """Verifies a submission and copies it to ``<root>/<suite>/<name>``, unless it is refused.

    Args:
        source: A submission, or a finished run, which is packed first.
        root: Folder of the leaderboards.
        name: Of the new folder; by default that of `source`.
        link: Where more is said of the agent; it is put into the manifest.

    Returns:
        The verdict, and where the submission lies if it is not refused.

    Raises:
        BadFile: For a name that is taken or cannot be one, or a place that cannot be written.
    """
    if not root.is_dir():
        raise BadFile(f"There is no folder {root}: give that of the leaderboards with --root.")
    if not source.is_dir():
        raise BadFile(f"{source} is not a folder: give that of a submission, or of a run.")
    name = source.resolve().name if name is None else name
    if not SUBMISSION_NAME.fullmatch(name):
        raise BadFile(
            f"A submission cannot be called {name!r}: give --name, of a-z, 0-9, dot, hyphen and"
            " underscore."
        )
    if link is not None:
        try:
            check_link(link)
        except BadFile as error:
            raise BadFile(f"{str(error).capitalize()}.") from None
    with TemporaryDirectory(prefix="qevolve-bench-") as scratch:
        submission = source
        if _is_run(source):
            submission = pack(source, Path(scratch) / name)
        verdict = verify(submission)
        if verdict.status == "refused":
            return verdict, submission
        assert verdict.suite is not None and verdict.manifest is not None
        dest = root / verdict.suite.name / name
        if dest.exists():
            raise BadFile(f"{dest} exists: give another --name.")
        manifest = verdict.manifest
        if link is not None:
            manifest["agent"]["description"]["link"] = link
        # Not by `copytree`: the files of a submission, by name, and nothing else.
        with new_folder(dest) as new, Folder(submission) as folder:
            (new / EPISODES).mkdir()
            for cell in manifest["files"]:
                file = f"{EPISODES}/{cell}{SUFFIX}"
                write_file(new / file, folder.read(file, MAX_COMPRESSED_BYTES))
            write_json(new / MANIFEST, manifest)
    return verdict, dest


def _is_run(folder: Path) -> bool:
    """Tells a run, whose episodes are not packed, from a submission."""
    episodes = folder / EPISODES
    return not folder.is_symlink() and any(episodes.glob("*.jsonl"))
