"""A training run: demonstrations, the policy to start from, the learner, and its evaluations.

Torch is imported when a run begins. A run that was interrupted goes on where it was.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.folders import claim_folder
from qevolve_bench.schema import write_json
from qevolve_bench.training.checkpoint import policy_folder
from qevolve_bench.training.evaluation import add_point, evaluate_policy, read_curve, worlds
from qevolve_bench.training.specification import (
    RESULT,
    SCHEMA,
    TrainingResult,
    TrainingSpec,
    read_result,
)
from qevolve_envs.episode import Episode, read_episodes, write_episodes
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.play import EnvConfig

if TYPE_CHECKING:
    from qevolve_baselines.model.policy import Policy
    from qevolve_baselines.run.ledger import Budget, Ledger


def train(
    spec: TrainingSpec,
    folder: Path,
    *,
    force: bool = False,
    on_log: Callable[[dict[str, Any]], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    shared: Path | None = None,
) -> TrainingResult:
    """Trains, or goes on with a run that was interrupted.

    Args:
        spec: Specification of the run.
        folder: Folder of the run; one that is done with the same specification is not run again.
        force: Replace a run that is there.
        on_log: Called with each line of metrics.
        on_stage: Called with the name of each stage that begins.
        shared: Folder of results that several runs share.

    Returns:
        The result of the run.

    Raises:
        BenchError: For mistakes that the user can mend.
    """
    from qevolve_baselines import parallel
    from qevolve_baselines.learners.base import make_learner, trains_in_parallel
    from qevolve_baselines.model.adapters import LoraSettings, add_lora
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.ledger import Budget
    from qevolve_baselines.run.run import Run

    learner = make_learner(spec.learner, spec.preset, spec.settings)
    if parallel.size() > 1 and not trains_in_parallel(learner):
        raise BenchError(
            f"{spec.learner} trains in one process: start it without a launcher, or declare"
            " `parallel = True` in its class if several processes do what one does."
        )
    budget = Budget.parse([f"{axis}={limit}" for axis, limit in spec.budget.items()])
    world, kept_apart = worlds(spec)
    created = parallel.is_main() and claim_folder(
        spec.record(), folder, force=force, marks=("learner", "env_id")
    )
    done = parallel.from_main(read_result(folder))
    if done is not None:
        return done
    say = on_stage or (lambda text: None)

    def on_checkpoint(number: int, current: Policy, ledger: Ledger) -> None:
        say(f"evaluation {number}")
        results = evaluate_policy(spec, current, kept_apart, folder)
        if parallel.is_main():
            add_point(folder, spec, number, asdict(ledger), results)
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
    result = TrainingResult(folder, asdict(run.ledger), points[-1]["results"] if points else {})
    if not parallel.is_main():
        return result
    write_json(
        folder / RESULT,
        {"schema": SCHEMA, "ledger": result.ledger, "results": result.results},
    )
    shutil.rmtree(folder / "stages", ignore_errors=True)
    (folder / "state.pt").unlink(missing_ok=True)
    return result


@contextlib.contextmanager
def memory_in_a_sentence() -> Iterator[None]:
    """Replaces errors for want of memory by a sentence that says how to need less.

    Raises:
        BenchError: When memory runs out, on an accelerator or here.
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


def _demonstrations(
    spec: TrainingSpec, world: EnvConfig, kept_apart: Sequence[str], budget: Budget, folder: Path
) -> list[Episode]:
    """Demonstrations of the tasks to train on: played by the expert, or read from a file."""
    from qevolve_baselines import parallel
    from qevolve_baselines.collect import demonstrate

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
    spec: TrainingSpec,
    demos: Sequence[Episode],
    folder: Path,
    on_log: Callable[[dict[str, Any]], None] | None,
    say: Callable[[str], None],
) -> Policy:
    """Loads or makes the policy that training starts from."""
    from qevolve_baselines import parallel
    from qevolve_baselines.learners.base import make_learner
    from qevolve_baselines.model.policy import (
        Policy,
        ScratchConfig,
        TranscriptConfig,
        checkpoint_gradients,
        find_device,
        find_dtype,
    )
    from qevolve_baselines.run.config import build
    from qevolve_baselines.run.run import Run

    if spec.init is not None and spec.model is not None:
        raise BenchError("A run starts from --init or from --model, not from both.")
    wording = None
    if spec.transcript_config:
        wording = build(TranscriptConfig, spec.transcript_config, "transcript_config.")
    loading: dict[str, Any] = {
        "attention": spec.attention,
        "gradient_checkpointing": spec.gradient_checkpointing,
    }
    if spec.init is not None or spec.model is not None:
        path = policy_folder(str(spec.init or spec.model))
        # Only a model may be a name that transformers knows; it would look for it at length.
        if spec.init is not None and not Path(path).is_dir():
            raise BadFile(f"There is no run folder or saved policy at {spec.init} (--init).")
        return Policy.load(
            path,
            device=spec.device,
            dtype=spec.dtype,
            transcript_config=wording,
            **loading,
        )
    if len(demos) < 2:
        raise BenchError(
            f"A model from scratch needs demonstrations, for its tokenizer and to begin with, and"
            f" {len(demos)} will not do: raise --demos, or start from --init or --model."
        )
    config = build(ScratchConfig, spec.scratch, "scratch.")
    policy = Policy.scratch(texts_of(demos), config, wording or TranscriptConfig(), spec.seed)
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


def _reference(spec: TrainingSpec) -> Any:
    """Loads the model that KL terms hold the policy to; None: the one that training starts from."""
    from qevolve_baselines.model.policy import Policy

    if spec.reference is None:
        return None
    path = policy_folder(spec.reference)
    if not path.is_dir():
        raise BadFile(f"There is no run folder or saved policy at {spec.reference} (reference).")
    return Policy.load(path, device=spec.device, dtype=spec.dtype, attention=spec.attention).model


def texts_of(episodes: Sequence[Episode]) -> list[str]:
    """Gathers every goal, observation and action of episodes, for training a tokenizer."""
    texts = []
    for episode in episodes:
        texts += [episode.goal, episode.first_observation]
        for step in episode.steps:
            texts += [step.action, step.observation]
    return texts
