"""Malformed and forged submissions: each is refused, and for its own reason."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import zlib

import pytest
from forge import SMALL, Forge, dump

from qevolve_bench.submissions.submission import verify
from qevolve_bench.suites import Suite

HOUSE, SHOP, LAB = "household-unseen", "shop-unseen", "lab-unseen"
CORPUS = []


def forgery(expected, *arguments):
    """Registers a way to tamper with a submission, and the reason by which it is refused."""

    def register(function):
        CORPUS.append(
            pytest.param(
                lambda forge: function(forge, *arguments),
                expected,
                id="-".join([function.__name__, *(str(a)[:20] for a in arguments)]),
            )
        )
        return function

    return register


# ── the folder ──────────────────────────────────────────────────────────────


@forgery(r"there is no manifest.json")
def no_manifest(forge):
    (forge.path / "manifest.json").unlink()


@forgery(r"there is no episodes/lab-unseen.jsonl.gz")
def no_file_of_a_cell(forge):
    forge.file(LAB).unlink()


@forgery(r"'install.sh' does not belong", "install.sh")
@forgery(r"'.git' does not belong", ".git")
@forgery(r"'episodes/extra.jsonl.gz' does not belong", "episodes/extra.jsonl.gz")
@forgery(r"'episodes/lab-unseen.jsonl' does not belong", "episodes/lab-unseen.jsonl")
@forgery(r"'a\\nb\\x1b\[31m' does not belong", "a\nb\x1b[31m")
def unlisted_file(forge, name):
    (forge.path / name).write_text("#!/bin/sh\n")


@forgery(r"does not belong")
def name_that_is_not_unicode(forge):
    (forge.path / os.fsdecode(b"\xff\xfe")).touch()


@forgery(r"more than 256 entries")
def many_files(forge):
    for number in range(300):
        (forge.path / "episodes" / f"{number}.jsonl.gz").touch()


@forgery(r"manifest.json is a symbolic link", "manifest.json")
@forgery(r"lab-unseen.jsonl.gz' is a symbolic link", f"episodes/{LAB}.jsonl.gz")
def link_to_a_good_file(forge, name):
    path = forge.path / name
    path.rename(forge.path.with_name("outside"))
    path.symlink_to(forge.path.with_name("outside"))


@forgery(r"episodes is a symbolic link")
def link_to_a_folder(forge):
    (forge.path / "episodes").rename(forge.path.with_name("elsewhere"))
    (forge.path / "episodes").symlink_to("../elsewhere")


@forgery(r"is not an ordinary file", "manifest.json")
@forgery(r"is not an ordinary file", f"episodes/{LAB}.jsonl.gz")
def pipe_in_place_of_a_file(forge, name):
    (forge.path / name).unlink()
    os.mkfifo(forge.path / name)


@forgery(r"is a symbolic link")
def link_to_a_device(forge):
    forge.file(LAB).unlink()
    forge.file(LAB).symlink_to("/dev/zero")


@forgery(r"is not an ordinary file")
def folder_in_place_of_a_file(forge):
    forge.file(LAB).unlink()
    forge.file(LAB).mkdir()


@forgery(r"episodes is not a folder")
def file_in_place_of_the_folder(forge):
    for path in (forge.path / "episodes").iterdir():
        path.unlink()
    (forge.path / "episodes").rmdir()
    (forge.path / "episodes").touch()


# ── the manifest ────────────────────────────────────────────────────────────


def raw_manifest(forge, data):
    (forge.path / "manifest.json").write_bytes(data)


forgery(r"manifest.json is not JSON", b"")(raw_manifest)
forgery(r"manifest.json is not JSON", b'{"schema": 1')(raw_manifest)
forgery(r"a manifest must be an object, not a list", b"[]")(raw_manifest)
forgery(r"manifest.json is not UTF-8", b'{"schema": "\xff"}')(raw_manifest)
forgery(r"names no schema version", b"{}")(raw_manifest)
forgery(r"nested deeper", b"[" * 200_000)(raw_manifest)
forgery(r"nested deeper", b'{"a":' * 40 + b"1" + b"}" * 40)(raw_manifest)
forgery(r"is not JSON", b"\x80\x04\x95cposix\nsystem\n."[3:])(raw_manifest)
forgery(r"manifest.json is larger than", b" " * 2**20)(raw_manifest)
forgery(r"names the field 'schema' twice", b'{"schema": 1, "schema": 1}')(raw_manifest)
forgery(r"non-finite number NaN", b'{"schema": NaN}')(raw_manifest)
forgery(r"a non-finite number", b'{"schema": 1e999}')(raw_manifest)
forgery(r"number out of range", b'{"schema": ' + b"9" * 500 + b"}")(raw_manifest)
forgery(r"is not JSON", b'{"schema": ' + b"9" * 5000 + b"}")(raw_manifest)


def manifest_field(forge, path, value):
    def edit(manifest):
        *parents, last = path.split("/")
        place = manifest
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        if value is KeyError:
            del place[int(last) if isinstance(place, list) else last]
        else:
            place[int(last) if isinstance(place, list) else last] = value

    forge.manifest(edit)


for _expected, _path, _value in [
    (r"schema version 2", "schema", 2),
    (r"schema version True", "schema", True),
    (r"schema version 1.0", "schema", 1.0),
    (r"lacks the field 'ledger'", "ledger", KeyError),
    (r"unknown field 'timing'", "timing", {}),
    (r"agent must be an object, not a list", "agent", []),
    (r"the run is not complete", "complete", False),
    (r"the suite 'nope-v0' is not one of", "suite/name", "nope-v0"),
    (r"the suite '/etc/passwd.json' is not one of", "suite/name", "/etc/passwd.json"),
    (r"the suite 7 is not one of", "suite/name", 7),
    (r"the suite 'core-v0' is not one of quick-v0", "suite/name", "core-v0"),
    (r"digest of suite quick-v0 is not that of its cells", "suite/digest", "0" * 64),
    (r"the agent's name '<script>", "agent/name", "<script>alert(1)</script>"),
    (r"the agent's name '\[x\]\(javascript", "agent/name", "[x](javascript:alert(1))"),
    (r"the agent's name 'a \| 100% \|", "agent/name", "a | 100% |"),
    (r"control character in 'a\\x1b\[2J", "agent/name", "a\x1b[2J"),
    (r"control character in 'a\\u202e", "agent/name", "a\u202eb"),
    (r"the agent's name 'h\\u0430lting'", "agent/name", "h\u0430lting"),
    (r"the agent's name 'a\\n\| 1", "agent/name", "a\n| 1 | evil"),
    (r"the agent's name '' must be", "agent/name", ""),
    (r"the agent's name 'aaaa", "agent/name", "a" * 101),
    (r"the agent's link 'javascript:", "agent/description/link", "javascript:alert(1)"),
    (r"the agent's link 'https://x\)", "agent/description/link", "https://x) <img src=x>"),
    (r"the agent's link 7", "agent/description/link", 7),
    (r"control character", "agent/description/prompt", "\u009b31m"),
    (r"agent has an unknown field 'html'", "agent/html", "x"),
    (r"agent.description must be an object, not 3", "agent/description", 3),
    (r"says episodes 37, the episodes 36", "ledger/episodes", 37),
    (r"the ledger .* says env_steps 1,", "ledger/env_steps", 1),
    (r"the ledger .* says generated_tokens 5,", "ledger/generated_tokens", 5),
    (r"prompt_tokens must be a whole number, not 5.0", "ledger/prompt_tokens", 5.0),
    (r"ledger.episodes must be a whole number, not true", "ledger/episodes", True),
    (r"shop-unseen: the summary .* says success 1.0,", f"summary/{SHOP}/success", 1.0),
    (r"lab-unseen: the summary .* says score 0.99,", f"summary/{LAB}/score", 0.99),
    (r"lab-unseen: the summary .* says failed 0,", f"summary/{LAB}/failed", 0),
    (r"won must be a whole number, not '20'", f"summary/{LAB}/won", "20"),
    (r"summary in manifest.json does not list the cells", f"summary/{LAB}", KeyError),
    (r"another digest of its episodes", f"files/{LAB}", "0" * 64),
    (r"must be a SHA-256", f"files/{LAB}", "0" * 63),
    (r"skipped, though its environment needs nothing", f"skipped/{LAB}", "too hard"),
    (r"skipped cell 'other' is not one of quick-v0", "skipped/other", "why"),
    (r"skipped without a reason", f"skipped/{LAB}", ""),
]:
    forgery(_expected, _path, _value)(manifest_field)


@forgery(r"files in manifest.json does not list the cells")
def path_that_leaves_the_folder(forge):
    forge.manifest(lambda manifest: manifest["files"].update({"../../x": "0" * 64}))


def suite_field(forge, index, field, value):
    """Changes what is played, with the digest of the change."""

    def edit(manifest):
        manifest["suite"]["cells"][index][field] = value
        manifest["suite"]["digest"] = Suite.from_json({**manifest["suite"], "digest": None}).digest

    forge.manifest(edit)


@forgery(r"the cells in manifest.json are not those of quick-v0")
def cell_fewer(forge):
    def edit(manifest):
        raw = {**manifest["suite"], "cells": manifest["suite"]["cells"][:2], "digest": None}
        manifest["suite"] = Suite.from_json(raw).to_json()

    forge.manifest(edit)


forgery(r"the panel digest of cell household-unseen", 0, "panel", "0" * 64)(suite_field)
forgery(r"horizon of cell household-unseen", 0, "horizon", 300)(suite_field)
forgery(r"split of cell household-unseen", 0, "split", "train")(suite_field)
forgery(r"env_kwargs of cell household-unseen", 0, "env_kwargs", {"size": "small"})(suite_field)
forgery(r"env_id of cell lab-unseen", 2, "env_id", "os:system")(suite_field)
forgery(r"seeds of cell lab-unseen", 2, "seeds", [1])(suite_field)
forgery(r"episodes of cell lab-unseen", 2, "episodes", 1)(suite_field)
forgery(r"tasks of cell lab-unseen", 2, "tasks", 20)(suite_field)


# ── the files of episodes ───────────────────────────────────────────────────


def raw_file(forge, change):
    forge.file(LAB).write_bytes(change(forge.file(LAB).read_bytes()))


def _recompressed(data, wbits=31):
    machine = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return machine.compress(data) + machine.flush()


for _name, _expected, _change in [
    ("empty", r"is not a gzip file", lambda data: b""),
    ("header_only", r"is a truncated gzip file", lambda data: data[:10]),
    ("plain", r"is not a gzip file", gzip.decompress),
    ("zlib", r"is not a gzip file", lambda d: zlib.compress(gzip.decompress(d))),
    ("truncated", r"is a truncated gzip file", lambda data: data[:-20]),
    ("checksum", r"damaged", lambda data: data[:-8] + b"abcd" + data[-4:]),
    ("length", r"damaged", lambda data: data[:-4] + b"abcd"),
    ("flipped", r"damaged|recorded", lambda d: d[:2000] + bytes([d[2000] ^ 255]) + d[2001:]),
    ("trailing_garbage", r"data behind the end", lambda data: data + b"garbage"),
    ("trailing_zeros", r"data behind the end", lambda data: data + b"\0" * 10_000_000),
    ("second_member", r"second gzip member", lambda data: data + gzip.compress(b"{}\n")),
    ("empty_member", r"second gzip member", lambda data: data + gzip.compress(b"")),
    (
        "file_name",
        r"a name, a time or extra",
        lambda d: d[:3] + b"\x08" + d[4:10] + b"x\0" + d[10:],
    ),
    ("time", r"a name, a time or extra", lambda d: d[:4] + b"\1\2\3\4" + d[8:]),
    ("bomb_in_a_line", r"line of more than", lambda data: _recompressed(b" " * 20_000_000)),
    ("bomb_of_lines", r"not a complete JSON line", lambda data: _recompressed(b"\n" * 40_000_000)),
    ("too_large", r"larger than 33,554,432 bytes", lambda d: d + bytes(2**25)),
    ("no_newline", r"end with a newline", lambda d: _recompressed(gzip.decompress(d)[:-1])),
    ("no_episode", r"12 of 12 episodes are missing", lambda data: _recompressed(b"")),
    ("pickle", r"not UTF-8", lambda data: _recompressed(b"\x80\x04cposix\nsystem\n.\n")),
]:

    def _file(forge, change=_change):
        raw_file(forge, change)

    _file.__name__ = f"gzip_{_name}"
    forgery(_expected)(_file)


def raw_line(forge, change):
    """Changes the third line of a cell."""
    lines = forge.lines(LAB)
    lines[2] = change(lines[2])
    forge.write(LAB, lines)


for _name, _expected, _change in [
    ("not_json", "not a complete JSON line", lambda line: line[:-1]),
    ("not_utf8", "not UTF-8", lambda line: line.replace(b"agent", b"\xffgent", 1)),
    ("deep", "not a complete JSON line", lambda line: b"[" * 100_000),
    (
        "deep_kwargs",
        "not a complete|has a dict as",
        lambda line: line.replace(
            b'"env_kwargs":{', b'"env_kwargs":{"a":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b",", 1
        ),
    ),
    ("twice", "names a field twice", lambda line: line.replace(b'"seed":', b'"seed":1,"seed":', 1)),
    ("nan", "non-finite", lambda line: line.replace(b'"reward":0.0', b'"reward":NaN', 1)),
    (
        "infinity",
        "non-finite",
        lambda line: line.replace(b'"reward":0.0', b'"reward":-Infinity', 1),
    ),
    ("overflow", "non-finite", lambda line: line.replace(b'"reward":0.0', b'"reward":1e999', 1)),
    (
        "huge_int",
        "out of range",
        lambda line: line.replace(b'"reward":0.0', b'"reward":1' + b"0" * 400, 1),
    ),
    (
        "gigantic_int",
        "not a complete JSON",
        lambda line: line.replace(b'"reward":0.0', b'"reward":1' + b"0" * 9000, 1),
    ),
    ("spaces", "not written as", lambda line: line.replace(b",", b", ", 1)),
    ("escapes", "not written as", lambda line: line.replace(b"l", b"\\u006c", 1)),
    ("order", "not written as", lambda line: dump(dict(reversed(json.loads(line).items())))),
    ("schema", "schema version 9", lambda line: line.replace(b'"schema":1}', b'"schema":9}', 1)),
    ("extra", "unknown field 'x'", lambda line: line[:-1] + b',"x":1}'),
    (
        "lacking",
        "lacks the field 'digest'",
        lambda line: dump({k: v for k, v in json.loads(line).items() if k != "digest"}),
    ),
    ("list", "not a JSON object", lambda line: b"[1]"),
    ("carriage_return", "not written as", lambda line: line + b"\r"),
    ("blank", "not a complete JSON line", lambda line: b""),
]:

    def _line(forge, change=_change):
        raw_line(forge, change)

    _line.__name__ = f"line_{_name}"
    forgery(rf"lab-unseen, episode 3: .*({_expected})")(_line)


# ── the episodes ────────────────────────────────────────────────────────────


def episodes(expected, cell=LAB):
    """Registers an edit of a cell's episodes, by a forger who makes the manifest agree."""

    def register(function):
        def edit(forge):
            forge.edit(cell, function)

        edit.__name__ = function.__name__
        forgery(expected)(edit)
        return function

    return register


@episodes(r"lab-unseen, episode 4: task '.*' with seed \d+ is already episode 2")
def duplicated(episodes):
    episodes[3] = episodes[1]


@episodes(r"episode 13: .* is already episode 12")
def one_more(episodes):
    episodes.append(episodes[-1])


@episodes(r"lab-unseen: 1 of 12 episodes are missing")
def last_one_missing(episodes):
    episodes.pop()


@episodes(r"episode 6: it is the episode of place 7; here belongs lab/unseen/")
def one_missing(episodes):
    del episodes[5]


@episodes(r"episode 1: it is the episode of place 2")
def swapped(episodes):
    episodes[0], episodes[1] = episodes[1], episodes[0]


@episodes(r"episode 1: it is the episode of place 12")
def reversed_(episodes):
    episodes.reverse()


@episodes(r"episode 1: the seed of 'lab/unseen/\d+' is \d+, which the suite does not play")
def seeds_swapped(episodes):
    episodes[0]["seed"], episodes[1]["seed"] = episodes[1]["seed"], episodes[0]["seed"]


@episodes(r"episode 1: the seed of .* is 0, which the suite does not play")
def seed_of_choice(episodes):
    episodes[0]["seed"] = 0


@episodes(r"episode 1: .*'seed'")
def seed_of_text(episodes):
    episodes[0]["seed"] = "0"


@episodes(r"episode 5: task 'lab/train/0001' is not one of this cell")
def task_of_another_panel(episodes):
    episodes[4]["task_id"] = "lab/train/0001"


@episodes(r"episode 5: task '\.\./\.\./etc/passwd' is not one of this cell")
def task_that_is_a_path(episodes):
    episodes[4]["task_id"] = "../../etc/passwd"


@episodes(r"episode 5: split is 'train', not 'unseen'")
def another_split(episodes):
    episodes[4]["split"] = "train"


@episodes(r"episode 5: env_id is 'antigravity:qevolve/Lab-v0', not 'qevolve/Lab-v0'")
def environment_that_imports(episodes):
    episodes[4]["env_id"] = "antigravity:qevolve/Lab-v0"


@episodes(r"episode 5: env_kwargs is .*easy.*, not \{\}")
def easier_arguments(episodes):
    episodes[4]["env_kwargs"]["simplify"] = "easy"


@episodes(r"episode 5: env_kwargs is .*240.*, not")
def longer_horizon(episodes):
    episodes[4]["env_kwargs"]["max_episode_steps"] = 240


@episodes(r"episode 5: env_kwargs is .*24.*, not")
def horizon_where_none_is_recorded(episodes):
    episodes[4]["env_kwargs"]["max_episode_steps"] = 24


@episodes(r"episode 5: agent is 'gpt', not 'halting'")
def another_agent(episodes):
    episodes[4]["agent"] = "gpt"


def _whole(episodes):
    """An episode that ended by the horizon."""
    return next(e for e in episodes if e["truncated"])


def _failed(episodes):
    return next(e for e in episodes if e["error"])


@episodes(r"step 24: .*recorded score 1.0, replayed")
def score_of_the_episode(episodes):
    _whole(episodes)["score"] = 1.0


@episodes(r"step 24: .*recorded won True, replayed False")
def won_of_the_episode(episodes):
    _whole(episodes)["won"] = True


@episodes(r"step 7: .*recorded reward 1.0, replayed 0.0")
def reward_of_a_step(episodes):
    _whole(episodes)["steps"][6]["reward"] = 1.0


@episodes(r"step 7: .*recorded score 0.5, replayed")
def score_of_a_step(episodes):
    _whole(episodes)["steps"][6]["score"] = 0.5


@episodes(r"step 7: .*recorded observation 'You win.', replayed")
def observation_of_a_step(episodes):
    _whole(episodes)["steps"][6]["observation"] = "You win."


@episodes(r"step 7: .*recorded (observation|feedback|score)")
def action_of_a_step(episodes):
    _whole(episodes)["steps"][6]["action"] = "dance"


@episodes(r"has unknown feedback 'great'")
def feedback_of_its_own(episodes):
    _whole(episodes)["steps"][6]["feedback"] = "great"


@episodes(r"step 7: .*recorded feedback 'malformed', replayed")
def feedback_of_a_step(episodes):
    _whole(episodes)["steps"][6]["feedback"] = "malformed"


@episodes(r"reset: .*recorded first_observation")
def first_observation(episodes):
    _whole(episodes)["first_observation"] += " "


@episodes(r"reset: .*recorded goal 'Do nothing.'")
def goal(episodes):
    _whole(episodes)["goal"] = "Do nothing."


@episodes(r"step 24: .*recorded digest '0000")
def digest(episodes):
    _whole(episodes)["digest"] = "0" * 64


@episodes(r"step 24: .*recorded terminated True, replayed False")
def an_end_that_was_none(episodes):
    _whole(episodes)["terminated"] = True


@episodes(r"it stops without an end, the horizon or an error")
def cut_short(episodes):
    episode = _whole(episodes)
    del episode["steps"][10:]
    episode["truncated"] = False


@episodes(r"step 10: .*recorded (truncated True, replayed False|score)")
def horizon_that_was_none(episodes):
    del _whole(episodes)["steps"][10:]


@episodes(r"step 25: .*was already over")
def step_after_the_horizon(episodes):
    episode = _whole(episodes)
    episode["steps"].append(episode["steps"][-1])


@episodes(r"step \d+: .*was already over", SHOP)
def step_after_the_end(episodes):
    episode = next(e for e in episodes if e["terminated"] and len(e["steps"]) < 9)
    episode["steps"].append(episode["steps"][-1])


@episodes(r"step \d+: .*(recorded|was already over)", SHOP)
def second_purchase(episodes):
    episode = next(e for e in episodes if e["terminated"] and len(e["steps"]) < 9)
    episode["steps"][0]["action"] = "click[Buy Now]"


@episodes(r"failed by an error, and claims to be won")
def failed_and_won(episodes):
    _failed(episodes)["won"] = True


@episodes(r"failed by an error, and claims to be truncated")
def failed_and_ended(episodes):
    _whole(episodes)["error"] = "crash"


@episodes(r"it stops without an end")
def failure_denied(episodes):
    _failed(episodes)["error"] = None


@episodes(r"step 3: .*recorded score 0.75, replayed")
def score_of_a_failed_episode(episodes):
    _failed(episodes)["score"] = 0.75


@episodes(r"reset: recorded|reset: .*recorded goal")
def never_began_with_a_score(episodes):
    _failed(episodes).update(digest="", first_observation="")


@episodes(r"its error has more than 2,000 characters")
def error_of_a_megabyte(episodes):
    _failed(episodes)["error"] = "x" * 1_000_000


@episodes(r"step 1: the action has more than 100,000 characters")
def long_action(episodes):
    _whole(episodes)["steps"][0]["action"] = "x" * 100_001


@episodes(r"line of more than")
def gigantic_action(episodes):
    _whole(episodes)["steps"][0]["action"] = "x" * 17_000_000


@episodes(r"the tokens of a step must be in")
def negative_tokens(episodes):
    _whole(episodes)["steps"][0]["generated_tokens"] = -1


@episodes(r"the tokens of a step must be in")
def astronomic_tokens(episodes):
    _whole(episodes)["steps"][0]["prompt_tokens"] = 2**63


@episodes(r"a float as 'prompt_tokens'")
def half_a_token(episodes):
    _whole(episodes)["steps"][0]["prompt_tokens"] = 0.5


@episodes(r"step 1: .*recorded reward 0, replayed 0.0")
def integer_reward(episodes):
    _whole(episodes)["steps"][0]["reward"] = 0


@episodes(r"step 1: .*recorded reward -0.0, replayed 0.0")
def negative_zero(episodes):
    _whole(episodes)["steps"][0]["reward"] = -0.0


@episodes(r"a bool as 'reward'")
def truth_as_a_number(episodes):
    _whole(episodes)["steps"][0]["reward"] = False


@episodes(r"step 2 is not a JSON object")
def step_that_is_none(episodes):
    _whole(episodes)["steps"][1] = None


@forgery(r"another digest of its episodes")
def tokens_changed_without_sealing(forge):
    raw = forge.episodes(LAB)
    raw[0]["steps"][0]["prompt_tokens"] += 1
    forge.write(LAB, [dump(episode) for episode in raw], seal=False)


@forgery(r"shop-unseen, episode 1: env_id is 'qevolve/Lab-v0', not 'qevolve/Shop-v0'")
def files_swapped(forge):
    shop, lab = forge.lines(SHOP), forge.lines(LAB)
    forge.write(LAB, shop)
    forge.write(SHOP, lab)


@forgery(r"shop-unseen, episode 1, reset: .*recorded first_observation")
def every_first_observation(forge):
    def edit(episodes):
        rng = random.Random(0)
        for episode in episodes:
            episode["first_observation"] = "".join(
                rng.sample(episode["first_observation"], len(episode["first_observation"]))
            )

    forge.edit(SHOP, edit)


@pytest.mark.parametrize(("tamper", "expected"), CORPUS)
def test_refused_for_its_reason(small, tmp_path, tamper, expected):
    forge = Forge(small, tmp_path / "forged")
    tamper(forge)
    verdict = verify(forge.path, suite=SMALL)
    assert verdict.status == "refused"
    sentences = [str(finding) for finding in verdict.findings]
    for sentence in sentences:
        assert sentence.isascii() and sentence.isprintable() and len(sentence) <= 600
        assert sentence.endswith(".") and not sentence.endswith("..")
    assert re.search(expected, sentences[0]), sentences[0]


def test_the_corpus_is_large():
    assert len(CORPUS) >= 150
