"""One learner, one seed: rounds of training under changing audits, each followed by a measurement.

The folder of a run holds ``rounds/NN.json`` and ``rounds/NN.jsonl`` (facts and trace of a round
that is done), ``train-NN/`` (the training run of the latest rounds) and in the end
``trace.jsonl``, ``result.json``, ``timing.json`` and ``policy/``, the last policy; what lay there
in between is removed. A run that was killed goes on, and ends with the same bytes, but for
``timing.json``.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qevolve_bench.runner.results import write_json
from qevolve_bench.study.tipping_plan import NONE, Arm, Study
from qevolve_bench.tipping.play import AgentPlayer, Start, play_batch
from qevolve_bench.tipping.stages import SingleStage
from qevolve_bench.training import specification as training
from qevolve_bench.training.checkpoint import policy_folder
from qevolve_bench.training.run import train
from qevolve_envs.episode import write_episodes
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.rng import child_seed
from qevolve_envs.tipping.truth import Truth, read_trace, write_trace

SCHEMA = 1
#: Episodes of a measurement in lockstep.
BATCH = 64


@dataclass(frozen=True, slots=True)
class Warm:
    """What all runs of a seed begin with.

    Attributes:
        policy: Folder of the warm start.
        experts: File of honest demonstrations; None for none.
    """

    policy: Path
    experts: Path | None


def find_warm(study: Study, folder: Path) -> Warm | None:
    """The warm start in a folder; None when it is not done."""
    if training.read_result(folder / "train") is None:
        return None
    return Warm(folder / "train" / "policy", folder / "experts.jsonl" if study.experts else None)


def make_warm(study: Study, seed: int, folder: Path) -> Warm:
    """Makes a seed's warm start: episodes of scripts that sometimes violate, and a policy cloned.

    Raises:
        BenchError: When the environment has no such scripts, or none of their episodes is a
            success.
    """
    from qevolve_baselines.rollout import Collector, World, demonstrate, draw_starts
    from qevolve_envs.factory import text_env

    folder.mkdir(parents=True, exist_ok=True)
    world = World(study.env, study.split, study.kwargs(None, None), study.horizon)
    file = folder / "mixture.jsonl"
    if not file.is_file():
        env = world.make()
        make_script = getattr(text_env(env), "script_agent", None)
        if make_script is None:
            raise BenchError(
                f"{study.env} has no scripts that violate (script_agent), so there is nothing to"
                " clone a warm start from: it is no world of the tipping studies."
            )
        agent = make_script(study.mixture.violate, child_seed(seed, "tipping", "scripts"))
        env.close()
        collector = Collector(world, BATCH)
        try:
            tasks = world.task_ids()
            starts = draw_starts(tasks, study.mixture.episodes, seed, "tipping", "mixture")
            episodes = [t.episode for t in collector.play(agent, starts, name="mixture")]
        finally:
            collector.close()
        won = [episode for episode in episodes if episode.won]
        if len(won) < 2:
            raise BenchError(
                f"{len(won)} of {len(episodes)} episodes of the mixture were a success, which is"
                " too few to clone: look at mixture.env_kwargs (audits fine what violates)."
            )
        write_episodes(file, won)
    experts = folder / "experts.jsonl"
    if study.experts and not experts.is_file():
        write_episodes(experts, demonstrate(world, study.experts, seed))
    train(study.warm_start(seed, file), folder / "train")
    warm = find_warm(study, folder)
    assert warm is not None
    return warm


def read_result(folder: Path) -> dict[str, Any] | None:
    """What a run that is done amounts to: its rounds; None of one that is not.

    Raises:
        BadFile: When the file is not one.
    """
    file = folder / "result.json"
    if not file.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(file.read_text())
        if record["schema"] != SCHEMA or not isinstance(record["rounds"], list):
            raise ValueError("another schema")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{file} is not the result of a run of tipping: {error}.") from None
    return record


def play_run(
    study: Study,
    arm: Arm,
    seed: int,
    folder: Path,
    warm: Warm,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Plays the rounds that are not done yet.

    Args:
        study: The plan.
        arm: The learner.
        seed: The seed.
        folder: Of the run.
        warm: The seed's warm start.
        say: Told of every round.

    Returns:
        The content of ``result.json``.

    Raises:
        BenchError: When a round of training fails.
    """
    done = read_result(folder)
    if done is not None:
        _clean(folder)
        return done
    rounds = folder / "rounds"
    rounds.mkdir(parents=True, exist_ok=True)
    current = warm.policy
    facts = []
    for number in range(len(study.schedule)):
        file = rounds / f"{number:02d}.json"
        place = folder / f"train-{number:02d}"
        if not file.is_file():
            record = _round(study, arm, seed, number, place, current, warm)
            write_json(file, record)
        record = json.loads(file.read_text())
        facts.append(record)
        if record["trained"]:
            # The policy before this one is needed by nobody any more.
            if current != warm.policy:
                shutil.rmtree(current, ignore_errors=True)
            current = place
        if say is not None:
            rate = record["violations"] / max(1, record["opportunities"])
            say(f"round {number} ({record['phase']}): violation rate {rate:.3f}")
    return _finish(folder, facts, current, keep=current != warm.policy)


def _round(
    study: Study, arm: Arm, seed: int, number: int, place: Path, current: Path, warm: Warm
) -> dict[str, Any]:
    """Trains for a round and measures; returns its facts, after writing its trace."""
    from qevolve_baselines.learners.base import NothingToLearn

    clock, cpu = time.monotonic(), time.process_time()
    policy, trained, ledger, reason = current, False, {}, ""
    if number and arm.learner != NONE:
        spec = study.round(arm, seed, number, init=current, warm=warm.policy, experts=warm.experts)
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

    Chance depends on the seed and the round, not on the arm, so that arms meet the same audits.

    Returns:
        The trace, in which a round is one of training, the seed that of the run, and an agent a
        copy of the policy; the share of episodes that were won; and their mean score.
    """
    from qevolve_baselines.model.agent import agent_of
    from qevolve_baselines.model.policy import Policy
    from qevolve_envs.factory import make_env, text_env

    phase = study.schedule[number]
    agent = agent_of(Policy.load(policy_folder(str(policy))), temperature=study.measure.temperature)
    kwargs = study.kwargs(phase, arm)
    stages = [
        SingleStage(
            make_env(
                study.env,
                split=study.measure.split,
                env_kwargs=kwargs,
                max_episode_steps=study.horizon,
            )
        )
        for _ in range(min(BATCH, study.measure.episodes))
    ]
    panel = text_env(stages[0].env).task_ids(study.measure.split)
    starts = [
        Start(panel[i % len(panel)], child_seed(seed, "tipping", "measure", number, i))
        for i in range(study.measure.episodes)
    ]
    player = AgentPlayer(agent)
    trace: list[Truth] = []
    won, score = 0, 0.0
    for first in range(0, len(starts), BATCH):
        batch = starts[first : first + BATCH]
        play_batch(stages, batch, player)
        for i, stage in enumerate(stages[: len(batch)], first):
            won, score = won + stage.won, score + stage.score
            # Who plays a scenario again is another copy of the policy, as another agent would be.
            changes: dict[str, Any] = {"seed": seed, "round": number, "phase": phase.name}
            changes["agent"] = f"agent_{i // len(panel)}"
            trace += [dataclasses.replace(t, **changes) for t in stage.truth]
    for stage in stages:
        stage.env.close()
    if player.failures:
        raise BenchError(f"The policy failed while it was measured: {player.failures[0][1]}.")
    return trace, won / len(starts), score / len(starts)


def _finish(
    folder: Path, facts: list[dict[str, Any]], policy: Path, *, keep: bool
) -> dict[str, Any]:
    """Gathers the rounds into the final files; ``result.json`` is written last."""
    rounds = folder / "rounds"
    files = [rounds / f"{fact['round']:02d}.jsonl" for fact in facts]
    write_trace(folder / "trace.jsonl", (t for file in files for t in read_trace(file)))
    if keep:
        shutil.rmtree(folder / "policy", ignore_errors=True)
        shutil.copytree(policy_folder(str(policy)), folder / "policy")
    seconds = {name: [fact[name] for fact in facts] for name in ("seconds", "cpu_seconds")}
    write_json(folder / "timing.json", {"schema": SCHEMA, **seconds})
    kept = [{k: v for k, v in fact.items() if k not in seconds} for fact in facts]
    result = {"schema": SCHEMA, "rounds": kept}
    write_json(folder / "result.json", result)
    _clean(folder)
    return result


def _clean(folder: Path) -> None:
    """Removes what a run that is done needs no more."""
    for place in (folder / "rounds", *sorted(folder.glob("train-*"))):
        shutil.rmtree(place, ignore_errors=True)
