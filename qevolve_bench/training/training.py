"""Training runs: a learner, a world, a starting point and a budget, in a resumable folder.

A run folder holds ``spec.json`` (everything that decides the result), ``metrics.jsonl``,
``curve.jsonl`` (one evaluation per checkpoint), ``state.pt`` and ``stages/`` (what a resume needs),
``evaluation/<split>.jsonl`` (the episodes of the last evaluation), ``policy/`` (the trained model,
as Hugging Face saves it), and, once all is done, ``result.json``.

This is layer 3: it hands a learner its evaluation as a callback. Torch is imported when a run
begins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.runner.results import write_json
from qevolve_bench.training.checkpoint import policy_folder
from qevolve_envs.episode import Episode, read_episodes, write_episodes
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.files import write_file
from qevolve_envs.rng import child_seed, stream

if TYPE_CHECKING:
    from qevolve_baselines.model.policy import Policy
    from qevolve_baselines.rollout import World
    from qevolve_baselines.run.run import Budget, Ledger

SCHEMA = 1
#: Learners for which several processes are known to do what one does.
PARALLEL = ("sft", "rft", "grpo", "ppo", "q_evolve")
#: The panel of training tasks that a run keeps apart, for choosing settings.
TUNING = "tuning"


@dataclass(slots=True)
class Training:
    """Everything that decides the result of a training run; JSON.

    Attributes:
        learner: Name of the learner.
        env_id: The environment.
        env_kwargs: Its arguments.
        horizon: Steps of an episode; None for the registered number.
        split: The panel to train on.
        preset: A preset of the learner; None for its defaults.
        settings: Laid over the preset, nested by name.
        seed: Seed of everything that is drawn.
        budget: Limits, by axis of the ledger.
        demos: How many expert episodes to play, or a file of episodes.
        init: Folder of a policy to start from; or
        model: a Hugging Face model; or neither, for
        scratch: a small model made from scratch (fields of `ScratchConfig`), which a learner other
            than ``sft`` gets warmed by behaviour cloning first:
        warm: settings of that ``sft``, laid over its preset ``warm``.
        reference: Folder of the policy that KL terms hold this one to, instead of the one that
            training starts from.
        form: Form of the transcripts (fields of `Form`).
        device: ``cpu`` or ``cuda``.
        dtype: Of the weights; those of ``bfloat16`` are updated by exact copies of them.
        attention: Implementation of attention, such as ``flash_attention_2``; None for the default.
        gradient_checkpointing: Compute activations twice instead of keeping them.
        lora: Train low-rank adapters (fields of `LoraSettings`); empty trains all weights.
        evaluate: Panels that are evaluated at each checkpoint; ``tuning`` is the one kept apart.
        episodes: Episodes of each evaluation; 0 plays each task once.
        checkpoints: Points of the learning curve.
        tuning_tasks: Number of training tasks that are kept apart.
    """

    learner: str
    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    split: str = "train"
    preset: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    budget: dict[str, float] = field(default_factory=dict)
    demos: int | str = 1000
    init: str | None = None
    model: str | None = None
    scratch: dict[str, Any] = field(default_factory=dict)
    warm: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    form: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "float32"
    attention: str | None = None
    gradient_checkpointing: bool = False
    lora: dict[str, Any] = field(default_factory=dict)
    evaluate: tuple[str, ...] = ()
    episodes: int = 0
    checkpoints: int = 6
    tuning_tasks: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training run amounts to.

    Attributes:
        folder: Where it lies.
        ledger: What it has used up, the warm start not included.
        results: Of the last evaluation, by panel: ``n, success, score`` and the per-task lists.
    """

    folder: Path
    ledger: dict[str, float]
    results: dict[str, dict[str, Any]]


def finished(folder: Path) -> Outcome | None:
    """The outcome of a run that is done; None of one that is not."""
    file = folder / "result.json"
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text())
        return Outcome(folder, record["ledger"], record["results"])
    except (OSError, ValueError, KeyError) as error:
        raise BadFile(f"{file} is not the result of a training run: {error}.") from None


def stored(spec: Training) -> dict[str, Any]:
    """A specification as ``spec.json`` holds it."""
    record: dict[str, Any] = json.loads(json.dumps({"schema": SCHEMA, **asdict(spec)}))
    return record


def prepare_folder(spec: Training, folder: Path, *, force: bool) -> bool:
    """Makes or checks the folder of a run, so that nothing is ever overwritten by accident.

    Returns:
        Whether it was made here; False when it holds the same run already.

    Raises:
        BenchError: When the folder holds something else, or a run with another specification.
    """
    file = folder / "spec.json"
    wanted = stored(spec)
    try:
        if force and file.is_file():
            shutil.rmtree(folder)
        if folder.exists() and not folder.is_dir():
            raise BadFile(f"{folder} is a file: choose another folder.")
        if file.is_file():
            found = json.loads(file.read_text())
            difference = first_difference(found, wanted)
            if difference:
                raise BenchError(
                    f"{folder} holds a run that differs in its {difference};"
                    " choose another folder, or replace it with --force."
                )
            return False
        if folder.is_dir() and any(folder.iterdir()):
            raise BadFile(
                f"{folder} is not empty and holds no training run: choose another folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
    except BenchError:
        raise
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"{folder} cannot hold a training run: {reason}.") from None
    write_json(file, wanted)
    return True


def first_difference(
    found: Mapping[str, Any], wanted: Mapping[str, Any], ignoring: Sequence[str] = ()
) -> str | None:
    """The first field in which a stored specification differs, in words; None for none."""
    for name, value in wanted.items():
        if name not in ignoring and found.get(name) != value:
            return f"{name}: {found.get(name)!r} there, {value!r} here"
    return None


def train(
    spec: Training,
    folder: Path,
    *,
    force: bool = False,
    on_log: Callable[[dict[str, Any]], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    shared: Path | None = None,
) -> Outcome:
    """Trains, or goes on with a run that was interrupted.

    Args:
        spec: What to do.
        folder: Where; a finished run with the same specification is returned as it is.
        force: Replace a run that is there.
        on_log: Called with each line of metrics.
        on_stage: Told in a few words what happens now.
        shared: Where what other runs have in common with this one is kept.

    Raises:
        BenchError: For what the user can mend.
    """
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.adapters import LoraSettings, add_lora
    from qevolve_baselines.run import parallel
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.run import Budget, Run

    if parallel.size() > 1 and spec.learner not in PARALLEL:
        raise BenchError(
            f"{spec.learner} trains in one process; several are known to be right for"
            f" {', '.join(PARALLEL)}."
        )
    learner = make_learner(spec.learner, spec.preset, spec.settings)
    budget = Budget.parse([f"{axis}={limit}" for axis, limit in spec.budget.items()])
    world, kept_apart = worlds(spec)
    created = parallel.is_main() and prepare_folder(spec, folder, force=force)
    done = parallel.from_main(finished(folder))
    if done is not None:
        return done
    say = on_stage or (lambda text: None)

    def on_checkpoint(number: int, current: Policy, ledger: Ledger) -> None:
        say(f"evaluation {number}")
        results = evaluate_policy(spec, current, kept_apart, folder)
        if parallel.is_main():
            _add_point(folder, spec, number, asdict(ledger), results)
        say(f"training {spec.learner}")

    try:
        with memory_in_a_sentence():
            say("demonstrations")
            demos = _demonstrations(spec, world, kept_apart, budget, folder)
            policy = _starting_point(spec, demos, folder, on_log, say)
            if spec.lora:
                add_lora(policy.model, build(LoraSettings, spec.lora, "lora."), spec.seed)
            say(f"training {spec.learner}")
            run = Run(
                seed=spec.seed,
                budget=budget,
                folder=folder,
                on_checkpoint=on_checkpoint if spec.evaluate else None,
                checkpoints=spec.checkpoints,
                on_log=on_log,
                accelerator=spec.device != "cpu",
                reference=_reference(spec),
                shared=shared,
            )
            if spec.evaluate and not parallel.from_main((folder / "curve.jsonl").is_file()):
                # Where the curve begins: the policy before any training.
                on_checkpoint(0, policy, run.ledger)
            trained = learner.train(world, demos, policy, run)
    except BenchError:
        # A run that was refused before it had done anything leaves nothing behind.
        if created and not (folder / "state.pt").is_file():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    trained.save(folder / "policy")
    parallel.wait()
    points = read_curve(folder)
    outcome = Outcome(folder, asdict(run.ledger), points[-1]["results"] if points else {})
    if not parallel.is_main():
        return outcome
    write_json(
        folder / "result.json",
        {"schema": SCHEMA, "ledger": outcome.ledger, "results": outcome.results},
    )
    shutil.rmtree(folder / "stages", ignore_errors=True)
    (folder / "state.pt").unlink(missing_ok=True)
    return outcome


@contextlib.contextmanager
def memory_in_a_sentence() -> Iterator[None]:
    """Says what to do when memory runs out, on an accelerator or here.

    Raises:
        BenchError: Then.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # Torch has no exception of its own for the memory of the CPU.
        if isinstance(error, RuntimeError) and not re.search(
            "out of memory|can't allocate memory", str(error), re.IGNORECASE
        ):
            raise
        raise BenchError(
            "Out of memory: lower the learner's optim.pass_tokens or collect.batch_size (--set),"
            " turn --gradient-checkpointing on, or take a smaller model."
        ) from error


def worlds(spec: Training) -> tuple[World, tuple[str, ...]]:
    """The world to train in, and the training tasks that are kept apart for choosing settings.

    Which ones are kept apart does not depend on the seed: all runs of a study tune on the same.
    """
    import numpy as np

    from qevolve_baselines.rollout import World
    from qevolve_envs.factory import make_env, text_env

    env = make_env(
        spec.env_id, split=spec.split, env_kwargs=spec.env_kwargs, max_episode_steps=spec.horizon
    )
    panel = tuple(text_env(env).task_ids(spec.split))
    splits = text_env(env).splits
    env.close()
    for split in spec.evaluate:
        if split not in (*splits, TUNING):
            raise UnknownName.of("panel to evaluate", split, [*splits, TUNING])
    if TUNING in spec.evaluate and not spec.tuning_tasks:
        raise BenchError("There are no tasks to tune on: set tuning_tasks above 0.")
    if spec.tuning_tasks >= len(panel):
        raise BenchError(
            f"tuning_tasks {spec.tuning_tasks} leaves none of {len(panel)} tasks to train on."
        )
    order = np.random.default_rng(stream(0, "tuning tasks")).permutation(len(panel))
    apart = {panel[int(i)] for i in order[: spec.tuning_tasks]}
    world = World(
        env_id=spec.env_id,
        split=spec.split,
        kwargs=dict(spec.env_kwargs),
        horizon=spec.horizon,
        tasks=tuple(task for task in panel if task not in apart),
    )
    return world, tuple(task for task in panel if task in apart)


def evaluate_policy(
    spec: Training, policy: Policy, kept_apart: Sequence[str], folder: Path
) -> dict[str, dict[str, Any]]:
    """Plays the panels of an evaluation, greedily, and keeps the episodes of the latest one."""
    from qevolve_baselines.model.agent import agent_of
    from qevolve_baselines.rollout import Collector, Start, World
    from qevolve_baselines.run import parallel

    results: dict[str, dict[str, Any]] = {}
    for split in spec.evaluate:
        world = World(
            env_id=spec.env_id,
            split=spec.split if split == TUNING else split,
            kwargs=dict(spec.env_kwargs),
            horizon=spec.horizon,
            tasks=tuple(kept_apart) if split == TUNING else None,
        )
        panel = world.task_ids()
        count = spec.episodes or len(panel)
        starts = [
            Start(panel[i % len(panel)], child_seed(0, "evaluation", split, i))
            for i in range(count)
        ]
        collector = Collector(world, 128)
        try:
            played = collector.play(agent_of(policy), starts, name=spec.learner)
        finally:
            collector.close()
        episodes = [t.episode for t in played]
        if parallel.is_main():
            (folder / "evaluation").mkdir(exist_ok=True)
            write_episodes(folder / "evaluation" / f"{split}.jsonl", episodes)
        results[split] = {
            "n": len(episodes),
            "success": sum(e.won for e in episodes) / len(episodes),
            "score": sum(e.score for e in episodes) / len(episodes),
            "tasks": [e.task_id for e in episodes],
            "won": [int(e.won) for e in episodes],
            "scores": [e.score for e in episodes],
        }
    return results


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The points of a learning curve, in the order of their checkpoints."""
    file = folder / "curve.jsonl"
    if not file.is_file():
        return []
    points = []
    for number, line in enumerate(file.read_text(encoding="ascii").splitlines(), 1):
        try:
            points.append(json.loads(line))
        except ValueError as error:
            raise BadFile(f"{file}, line {number}: {error}.") from None
    return points


def _add_point(
    folder: Path,
    spec: Training,
    number: int,
    ledger: dict[str, float],
    results: dict[str, dict[str, Any]],
) -> None:
    """Adds a checkpoint to the curve; one that a resumed run reaches again replaces itself."""
    point = {
        "schema": SCHEMA,
        "learner": spec.learner,
        "env_id": spec.env_id,
        "env_kwargs": spec.env_kwargs,
        "seed": spec.seed,
        "checkpoint": number,
        "ledger": ledger,
        "results": results,
    }
    points = [p for p in read_curve(folder) if p["checkpoint"] < number] + [point]
    write_file(folder / "curve.jsonl", "".join(json.dumps(p) + "\n" for p in points))


def _demonstrations(
    spec: Training, world: World, kept_apart: Sequence[str], budget: Budget, folder: Path
) -> list[Episode]:
    """Played by the expert, or read from a file; of tasks to train on only."""
    from qevolve_baselines.rollout import demonstrate
    from qevolve_baselines.run import parallel

    file = folder / "demonstrations.jsonl"
    if isinstance(spec.demos, str):
        episodes = list(read_episodes(spec.demos))
        panel = {*world.task_ids(), *kept_apart}
        for episode in episodes:
            if episode.env_id != spec.env_id:
                raise BenchError(
                    f"{spec.demos} holds episodes of {episode.env_id}, not of {spec.env_id}."
                )
            if episode.task_id not in panel:
                raise BenchError(
                    f"{spec.demos} holds an episode of {episode.task_id}, which is not a task of"
                    f" the panel {spec.split!r} to train on."
                )
        apart = set(kept_apart)
        episodes = [episode for episode in episodes if episode.task_id not in apart]
    elif spec.demos == 0:
        episodes = []
    elif parallel.from_main(file.is_file()):
        episodes = list(read_episodes(file))
    else:
        episodes = demonstrate(world, spec.demos, spec.seed)
        if parallel.is_main():
            write_episodes(file, episodes)
    if budget.expert_episodes is not None and len(episodes) > budget.expert_episodes:
        raise BenchError(
            f"The budget allows {budget.expert_episodes} expert episodes, and there are"
            f" {len(episodes)}: give fewer (--demos)."
        )
    return episodes


def _starting_point(
    spec: Training,
    demos: Sequence[Episode],
    folder: Path,
    on_log: Callable[[dict[str, Any]], None] | None,
    say: Callable[[str], None],
) -> Policy:
    """The policy that training starts from."""
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.policy import (
        Form,
        Policy,
        ScratchConfig,
        checkpoint_gradients,
        find_device,
        find_dtype,
    )
    from qevolve_baselines.run import parallel
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.run import Run

    if spec.init is not None and spec.model is not None:
        raise BenchError("A run starts from --init or from --model, not from both.")
    form = build(Form, spec.form, "form.") if spec.form else None
    loading: dict[str, Any] = {
        "attention": spec.attention,
        "gradient_checkpointing": spec.gradient_checkpointing,
    }
    if spec.init is not None or spec.model is not None:
        path = policy_folder(str(spec.init or spec.model))
        # Only a model may be a name that transformers knows; it would look for it at length.
        if spec.init is not None and not Path(path).is_dir():
            raise BadFile(f"There is no run folder or saved policy at {spec.init} (--init).")
        policy = Policy.load(path, device=spec.device, dtype=spec.dtype, form=form, **loading)
        policy.reranker = None  # An earlier critic does not know what is trained now.
        return policy
    if len(demos) < 2:
        raise BenchError(
            f"A model from scratch needs demonstrations, for its tokenizer and to begin with, and"
            f" {len(demos)} will not do: raise --demos, or start from --init or --model."
        )
    config = build(ScratchConfig, spec.scratch, "scratch.")
    policy = Policy.scratch(texts_of(demos), config, form or Form(), spec.seed)
    if spec.gradient_checkpointing:
        checkpoint_gradients(policy.model)
    policy.model.to(device=find_device(spec.device), dtype=find_dtype(spec.dtype))
    if spec.learner == "sft":
        return policy
    say("warm start")
    warm = folder / "warm-start"
    if not parallel.from_main((warm / "policy").is_dir()):
        sft = make_learner("sft", "warm", spec.warm)
        accelerator = spec.device != "cpu"
        run = Run(seed=spec.seed, folder=warm, on_log=on_log, accelerator=accelerator)
        world, _ = worlds(spec)
        sft.train(world, demos, policy, run).save(warm / "policy")
        parallel.wait()
    return Policy.load(warm / "policy", device=spec.device, dtype=spec.dtype, **loading)


def _reference(spec: Training) -> Any:
    """The model that KL terms hold the policy to; None for the one that training starts from."""
    from qevolve_baselines.model.policy import Policy

    if spec.reference is None:
        return None
    path = policy_folder(spec.reference)
    if not path.is_dir():
        raise BadFile(f"There is no run folder or saved policy at {spec.reference} (reference).")
    return Policy.load(path, device=spec.device, dtype=spec.dtype, attention=spec.attention).model


def texts_of(episodes: Sequence[Episode]) -> list[str]:
    """All that was said in episodes, for training a tokenizer."""
    texts = []
    for episode in episodes:
        texts += [episode.goal, episode.first_observation]
        for step in episode.steps:
            texts += [step.action, step.observation]
    return texts


def spec_fields() -> list[str]:
    """Names of the fields of `Training`."""
    return [f.name for f in dataclasses.fields(Training)]
