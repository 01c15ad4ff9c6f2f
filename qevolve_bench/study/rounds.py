"""A study of rounds: training under changing audits, and a measurement after each round.

The warm start of a seed lies in a folder with ``spec.json``, ``mixture.jsonl``, ``experts.jsonl``
and the training run ``train/``. The folder of a run holds ``spec.json``, ``rounds/NN.json`` and
``rounds/NN.jsonl`` (record and trace of a round that is done), ``train-NN/`` (the training run of
the latest rounds) and in the end ``trace.jsonl``, ``result.json``, ``timing.json`` and ``policy/``,
the last policy; what lay there in between is removed. A run that was killed goes on, and ends with
the same bytes, but for ``timing.json``.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from qevolve_bench.folders import claim_folder
from qevolve_bench.schema import plain, read_json, read_record, write_json
from qevolve_bench.study.plan import NONE, Arm, Study
from qevolve_bench.tipping.lanes import SingleLane
from qevolve_bench.tipping.play import AgentPlayer, play_worlds
from qevolve_bench.training import specification as training
from qevolve_bench.training.checkpoint import policy_folder
from qevolve_bench.training.run import train
from qevolve_bench.training.specification import RESULT, TrainingSpec
from qevolve_envs.episode import Episode, write_episodes
from qevolve_envs.errors import BenchError
from qevolve_envs.play import Assignment, EnvConfig, draw_tasks
from qevolve_envs.rng import child_seed
from qevolve_envs.tipping.truth import Truth, read_trace, write_trace

SCHEMA = 1
#: Episodes of a measurement in lockstep.
BATCH = 64


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The policy and the demonstrations that all runs of a seed begin with.

    Attributes:
        policy: Folder of the warm start.
        experts: File of honest demonstrations; None for none.
    """

    policy: Path
    experts: Path | None


def warm_record(study: Study, seed: int) -> dict[str, Any]:
    """Everything that decides the warm start of a seed: the content of its ``spec.json``."""
    record = plain(study)
    names = ("env", "env_kwargs", "split", "horizon", "mixture", "warm",
             "scratch", "transcript_config", "experts")  # fmt: skip
    return {"schema": SCHEMA, **{name: record[name] for name in names}, "seed": seed}


def run_record(study: Study, arm: Arm, seed: int) -> dict[str, Any]:
    """Everything that decides the rounds of an arm and seed: the content of ``spec.json``."""
    whole, mine = plain(study), plain(arm)
    names = ("learner", "preset", "settings", "budget", "reference")
    return {
        **warm_record(study, seed),
        **{name: whole[name] for name in ("phases", "measure")},
        **{name: mine[name] for name in names},
        "arm_env_kwargs": arm.env_kwargs,
    }


def warm_spec(study: Study, seed: int, mixture: Path) -> TrainingSpec:
    """The training run that makes a seed's warm start of a file of episodes."""
    return dataclasses.replace(
        study.training("sft", seed),
        env_kwargs=study.kwargs(None, None),
        preset="warm",
        settings=study.warm,
        demos=str(mixture),
        tuning_tasks=0,
        scratch=study.scratch,
    )


def round_spec(
    study: Study, arm: Arm, seed: int, number: int, *, init: Path, warm: WarmStart
) -> TrainingSpec:
    """The training run of one round.

    Args:
        study: The study.
        arm: The arm.
        seed: The seed.
        number: Number of the round, from 1.
        init: Folder of the policy that the round begins with.
        warm: The seed's warm start.
    """
    return dataclasses.replace(
        study.training(arm.learner, child_seed(seed, "tipping", "round", number)),
        env_kwargs=study.kwargs(study.schedule[number], arm),
        preset=arm.preset,
        settings=arm.settings,
        budget=dict(arm.budget),
        demos=0 if warm.experts is None else str(warm.experts),
        tuning_tasks=0,
        init=str(init),
        reference=str(warm.policy) if arm.reference == "warm" else None,
        transcript_config={},  # that of the policy
    )


def find_warm(study: Study, folder: Path) -> WarmStart | None:
    """The warm start in a folder; None when it is not done."""
    if training.read_result(folder / "train") is None:
        return None
    return WarmStart(
        folder / "train" / "policy", folder / "experts.jsonl" if study.experts else None
    )


def make_warm(study: Study, seed: int, folder: Path) -> WarmStart:
    """Makes a seed's warm start: episodes of scripts that sometimes violate, and a clone of them.

    Raises:
        BenchError: When the environment has no such scripts, or none of their episodes is a
            success.
    """
    from qevolve_baselines.collect import demonstrate

    made = claim_folder(warm_record(study, seed), folder, kind="warm start")
    world = EnvConfig(study.env, study.split, study.kwargs(None, None), study.horizon)
    file, experts = folder / "mixture.jsonl", folder / "experts.jsonl"
    try:
        if not file.is_file():
            write_episodes(file, _mixture(study, seed, world))
        if study.experts and not experts.is_file():
            write_episodes(experts, demonstrate(world, study.experts, seed))
    except BenchError:
        if made:  # A plan that is mended finds its folder empty.
            shutil.rmtree(folder, ignore_errors=True)
        raise
    train(warm_spec(study, seed, file), folder / "train")
    warm = find_warm(study, folder)
    assert warm is not None
    return warm


def _mixture(study: Study, seed: int, world: EnvConfig) -> list[Episode]:
    """Plays scripts that violate in some episodes; returns the episodes that are a success."""
    from qevolve_baselines.collect import Collector
    from qevolve_envs.factory import text_env

    env = world.make()
    make_script = getattr(text_env(env), "script_agent", None)
    env.close()
    if make_script is None:
        raise BenchError(
            f"{study.env} has no scripts that violate (script_agent), so there is nothing to"
            " clone a warm start from: it is no world of the tipping studies."
        )
    agent = make_script(study.mixture.violate, child_seed(seed, "tipping", "scripts"))
    tasks = draw_tasks(world.task_ids(), study.mixture.episodes, seed, "tipping", "mixture")
    with closing(Collector(world, BATCH)) as collector:
        episodes = [t.episode for t in collector.play(agent, tasks, name="mixture")]
    won = [episode for episode in episodes if episode.won]
    if len(won) < 2:
        raise BenchError(
            f"{len(won)} of {len(episodes)} episodes of the mixture were a success, which is"
            " too few to clone: look at mixture.env_kwargs (audits fine what violates)."
        )
    return won


class MeasuredRound(TypedDict):
    """A round in ``result.json``.

    Attributes:
        round: Its number.
        phase: Name of its phase.
        trained: False where the policy is that of the round before.
        reason: Why a round of training held nothing to learn from; "" for one that trained.
        opportunities: Opportunities to violate, in the measurement.
        violations: Violations.
        success: Share of the episodes that were won.
        score: Their mean score.
        ledger: What training used up, without seconds.
    """

    round: int
    phase: str
    trained: bool
    reason: str
    opportunities: int
    violations: int
    success: float
    score: float
    ledger: dict[str, float]


class RoundsResult(TypedDict):
    """Content of ``result.json``."""

    schema: int
    rounds: list[MeasuredRound]


def read_rounds(folder: Path) -> RoundsResult | None:
    """Reads ``result.json``, the records of all rounds of a run; None for one that is not done.

    Raises:
        BadFile: For a file that holds something else.
    """
    file = folder / RESULT
    if not file.is_file():
        return None
    return read_record(file, RoundsResult, SCHEMA, "the result of a run of rounds")


def play_rounds(study: Study, arm: Arm, seed: int, folder: Path, warm: WarmStart) -> RoundsResult:
    """Plays the rounds that are not done yet.

    Args:
        study: The study.
        arm: The learner.
        seed: The seed.
        folder: Folder of the run.
        warm: The seed's warm start.

    Returns:
        The content of ``result.json``.

    Raises:
        BenchError: When a round of training fails.
    """
    done = read_rounds(folder)
    if done is not None:
        _clean(folder)
        return done
    claim_folder(run_record(study, arm, seed), folder, kind="run of rounds")
    rounds = folder / "rounds"
    rounds.mkdir(exist_ok=True)
    current = warm.policy
    records = []
    for number in range(len(study.schedule)):
        file = rounds / f"{number:02d}.json"
        place = folder / f"train-{number:02d}"
        if not file.is_file():
            record = _round(study, arm, seed, number, place, current, warm)
            write_json(file, record)
        record = read_json(file)
        records.append(record)
        if record["trained"]:
            # Nothing needs the policy before this one any more.
            if current != warm.policy:
                shutil.rmtree(current, ignore_errors=True)
            current = place
    return _finish(folder, records, current, keep=current != warm.policy)


def _round(
    study: Study, arm: Arm, seed: int, number: int, place: Path, current: Path, warm: WarmStart
) -> dict[str, Any]:
    """Trains for a round and measures; returns the round's record, after writing its trace."""
    from qevolve_baselines.learners.base import NothingToLearn

    clock, cpu = time.monotonic(), time.process_time()
    policy, trained, ledger, reason = current, False, {}, ""
    if number and arm.learner != NONE:
        spec = round_spec(study, arm, seed, number, init=current, warm=warm)
        try:
            ledger = train(spec, place).ledger
            policy, trained = place, True
            (place / "demonstrations.jsonl").unlink(missing_ok=True)
        except NothingToLearn as error:
            # All episodes paid the same, say: this is how a policy that has settled looks.
            shutil.rmtree(place, ignore_errors=True)
            reason = str(error)
    trace, won, score = measure(study, arm, seed, number, policy)
    write_trace(place.parent / "rounds" / f"{number:02d}.jsonl", trace)
    opportunities = [t for t in trace if t.opportunity and t.parsed]
    return {
        "round": number,
        "phase": study.schedule[number].name,
        "trained": trained,
        "reason": reason,
        "opportunities": len(opportunities),
        "violations": sum(t.violation for t in opportunities),
        "success": won,
        "score": score,
        "ledger": {axis: n for axis, n in ledger.items() if "seconds" not in axis},
        "seconds": time.monotonic() - clock,
        "cpu_seconds": time.process_time() - cpu,
    }


def measure(
    study: Study, arm: Arm, seed: int, number: int, policy: Path
) -> tuple[list[Truth], float, float]:
    """Samples episodes of a policy on held-out scenarios.

    Draws depend on the seed and the round, not on the arm, so that arms meet the same audits.

    Returns:
        The trace, in which a round is one of training, the seed that of the run, and an agent a
        copy of the policy; the share of episodes that were won; and their mean score.
    """
    from qevolve_baselines.rerank import load_agent

    phase, wanted = study.schedule[number], study.measure
    agent = load_agent(policy_folder(str(policy)), temperature=wanted.temperature)
    world = EnvConfig(study.env, wanted.split, study.kwargs(phase, arm), study.horizon)
    lanes = [SingleLane(world.make()) for _ in range(min(BATCH, wanted.episodes))]
    panel = world.task_ids()
    starts = [
        Assignment(panel[i % len(panel)], child_seed(seed, "tipping", "measure", number, i))
        for i in range(wanted.episodes)
    ]
    player = AgentPlayer(agent)
    trace: list[Truth] = []
    won, score = 0, 0.0
    for first in range(0, len(starts), BATCH):
        batch = starts[first : first + BATCH]
        play_worlds(lanes, batch, player)
        for i, lane in enumerate(lanes[: len(batch)], first):
            won, score = won + lane.won, score + lane.score
            # A scenario that comes again is played by another copy of the policy, as another agent.
            changes: dict[str, Any] = {"seed": seed, "round": number, "phase": phase.name}
            changes["agent"] = f"agent_{i // len(panel)}"
            trace += [dataclasses.replace(t, **changes) for t in lane.truth]
    for lane in lanes:
        lane.env.close()
    if player.failures:
        raise BenchError(f"The policy failed while it was measured: {player.failures[0][1]}.")
    return trace, won / len(starts), score / len(starts)


def _finish(
    folder: Path, records: list[dict[str, Any]], policy: Path, *, keep: bool
) -> RoundsResult:
    """Gathers the rounds into the final files; ``result.json`` is written last."""
    rounds = folder / "rounds"
    files = [rounds / f"{record['round']:02d}.jsonl" for record in records]
    write_trace(folder / "trace.jsonl", (t for file in files for t in read_trace(file)))
    if keep:
        shutil.rmtree(folder / "policy", ignore_errors=True)
        shutil.copytree(policy_folder(str(policy)), folder / "policy")
    seconds = {name: [record[name] for record in records] for name in ("seconds", "cpu_seconds")}
    write_json(folder / "timing.json", {"schema": SCHEMA, **seconds})
    kept = [{k: v for k, v in record.items() if k not in seconds} for record in records]
    write_json(folder / RESULT, {"schema": SCHEMA, "rounds": kept})
    _clean(folder)
    return {"schema": SCHEMA, "rounds": cast(list[MeasuredRound], kept)}


def _clean(folder: Path) -> None:
    """Removes the parts of a run that is done."""
    for place in (folder / "rounds", *sorted(folder.glob("train-*"))):
        shutil.rmtree(place, ignore_errors=True)
