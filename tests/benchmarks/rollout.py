"""Speed of rollouts and of training: both sides of every ratio, from one run.

    python tests/benchmarks/rollout.py [--policy RUN]

A small model from scratch learns household tasks for some minutes, so that it answers in actions of
the usual length; `--policy` takes one that was trained before. Then the same weights play the same
batch of episodes with the lockstep decoder and with Hugging Face's `generate` at each turn (the
tokens are checked to be the same), and learn from them as whole transcripts in buckets of similar
length, and as one padded sample for each step with the model's own loss (on a tenth of these
samples, drawn at random). Seconds are those of the process on one thread, because other programs
may run; sides take turns, and the median of their ratios counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from tabulate import tabulate

from qevolve_baselines.collect import Collector, demonstrate
from qevolve_baselines.data.batches import TokenizedEpisodes, draw_updates, passes_of
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.forward import action_logits, token_figures
from qevolve_baselines.model.policy import Policy, ScratchConfig, TranscriptConfig
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_bench.training.checkpoint import policy_folder
from qevolve_bench.training.run import texts_of
from qevolve_envs.play import EnvConfig, draw_tasks

AIMS = {"rollout": 3.5, "training": 8.0}
OPTIM = OptimConfig(lr=1e-3)
STEPS_SHARE = 0.1


def rate_of(job: Callable[[], int]) -> float:
    """What a job gets done in a second of this process."""
    start = time.process_time()
    done = job()
    return done / (time.process_time() - start)


def play(policy: Policy, world: EnvConfig, decoder: str, batch: int) -> list[Trajectory]:
    """A batch of episodes, in lockstep."""
    starts = draw_tasks(world.task_ids(), batch, 1, "benchmark")
    collector = Collector(world, batch)
    try:
        agent = PolicyAgent(policy, temperature=1.0, decoder=decoder)
        return collector.play(agent, starts, name=decoder)
    finally:
        collector.close()


def train_whole(policy: Policy, data: TokenizedEpisodes) -> int:
    """An epoch over whole transcripts; returns its action tokens."""
    lengths = [len(sample.ids) for sample in data.sequences]
    trainer = Trainer(policy.model.parameters(), OPTIM, 1, "policy")
    policy.model.train()
    for update in draw_updates(
        lengths,
        batch_tokens=OPTIM.batch_tokens,
        pass_tokens=OPTIM.pass_tokens,
        rng=np.random.default_rng(0),
    ):
        for batch, fraction in passes_of(data, update, "cpu"):
            figures = token_figures(action_logits(policy.model, batch), batch, 1.0)
            trainer.backward(-fraction.tokens * figures.logprobs.mean())
        trainer.step()
    return data.tokens


def step_batches(
    data: TokenizedEpisodes,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """One sample for each of `STEPS_SHARE` of the steps: all that was read before it, its action.

    They come in random order. Batches hold as many padded tokens as a pass over whole transcripts.
    """
    order = np.random.default_rng(0).permutation(data.steps)
    order = order[: max(1, int(STEPS_SHARE * data.steps))]
    samples = []
    for step in order:
        index, last = data.action_at[step]
        samples.append((data.sequences[index].ids[: last + 1], int(data.step_tokens[step])))
    longest = max(len(ids) for ids, _ in samples)
    rows = max(1, OPTIM.pass_tokens // longest)
    for first in range(0, len(samples), rows):
        chosen = samples[first : first + rows]
        width = max(len(ids) for ids, _ in chosen)
        ids = torch.zeros(len(chosen), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, -100)
        for row, (tokens, action) in enumerate(chosen):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            labels[row, len(tokens) - action : len(tokens)] = torch.tensor(tokens[-action:])
        yield ids, mask, labels


def train_steps(policy: Policy, data: TokenizedEpisodes) -> int:
    """Padded samples of single steps, with the model's own loss; returns their action tokens."""
    trained = 0
    adam = torch.optim.AdamW(policy.model.parameters(), lr=1e-3)
    policy.model.train()
    for ids, mask, labels in step_batches(data):
        loss = policy.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        trained += int((labels != -100).sum())
    return trained


def loaded(path: str) -> Policy:
    """A policy that was trained before."""
    return Policy.load(policy_folder(path))


def warmed_up(world: EnvConfig, args: argparse.Namespace) -> Policy:
    """A policy that knows the language of the world."""
    demos = demonstrate(world, args.demos, seed=0)
    config = ScratchConfig(
        hidden_size=args.hidden, layers=args.layers, heads=args.heads, kv_heads=args.kv_heads
    )
    policy = Policy.scratch(texts_of(demos), config, TranscriptConfig(), seed=0)
    make_learner("sft", "warm", {"epochs": args.epochs}).train(world, demos, policy, Run(seed=0))
    return policy


def steps_of(played: list[Trajectory]) -> int:
    """How many environment steps episodes have."""
    return sum(len(trajectory.episode.steps) for trajectory in played)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "standard"), default="small")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=ScratchConfig().hidden_size)
    parser.add_argument("--layers", type=int, default=ScratchConfig().layers)
    parser.add_argument("--heads", type=int, default=ScratchConfig().heads)
    parser.add_argument("--kv-heads", type=int, default=ScratchConfig().kv_heads)
    parser.add_argument("--demos", type=int, default=1000, help="to warm up on")
    parser.add_argument("--epochs", type=int, default=6, help="of warming up")
    parser.add_argument("--policy", help="a run folder or saved policy, instead of warming one up")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)

    world = EnvConfig("qevolve/Household-v0", kwargs={"size": args.size})
    policy = warmed_up(world, args) if args.policy is None else loaded(args.policy)
    policy.model.eval()

    played = {kind: play(policy, world, kind, args.batch) for kind in ("lockstep", "generate")}
    same = [
        [t.ids for t in a.transcripts] == [t.ids for t in b.transcripts]
        for a, b in zip(played["lockstep"], played["generate"], strict=True)
    ]
    data = TokenizedEpisodes.of(played["lockstep"])
    lengths = [len(s.ids) for s in data.sequences]
    print(
        f"{policy.parameters():,} parameters, {args.batch} episodes of {world.env_id}"
        f" {world.kwargs}: {data.steps} steps, transcripts of {np.mean(lengths):.0f} tokens,"
        f" actions of {data.tokens / data.steps:.1f}; the same tokens in {sum(same)} of"
        f" {len(same)}\n"
    )

    rates: dict[str, list[float]] = {}
    sides: dict[str, Callable[[], int]] = {
        "lockstep": lambda: steps_of(play(policy, world, "lockstep", args.batch)),
        "generate": lambda: steps_of(play(policy, world, "generate", args.batch)),
        "whole": lambda: train_whole(policy, data),
        "steps": lambda: train_steps(policy, data),
    }
    weights = {k: v.clone() for k, v in policy.model.state_dict().items()}
    for _ in range(args.repeats):
        for name, job in sides.items():
            policy.model.load_state_dict(weights)
            rates.setdefault(name, []).append(rate_of(job))

    def ratio(slow: str, fast: str) -> str:
        found = [b / a for a, b in zip(rates[slow], rates[fast], strict=True)]
        return f"{statistics.median(found):.1f}x ({min(found):.1f} to {max(found):.1f})"

    def rate(name: str) -> str:
        return f"{statistics.median(rates[name]):,.0f}"

    print(
        tabulate(
            [
                (
                    "rollout, env steps/s",
                    rate("lockstep"),
                    rate("generate"),
                    ratio("generate", "lockstep"),
                    f">= {AIMS['rollout']:g}x",
                ),
                (
                    "training, action tokens/s",
                    rate("whole"),
                    rate("steps"),
                    ratio("steps", "whole"),
                    f">= {AIMS['training']:g}x",
                ),
            ],
            headers=(
                f"one thread, median of {args.repeats}",
                "lockstep / whole",
                "generate / per step",
                "ratio",
                "aim",
            ),
            disable_numparse=True,
        )
    )


if __name__ == "__main__":
    main()
