"""Tokens per second and model-FLOP utilisation of a large model, and a short Q-Evolve run.

    python tests/gpu/throughput.py --device cuda

The model is made from scratch (more than 100 million parameters by default) and its weights are
random, so that actions run into their limit: speed is measured, not quality. Utilisation is that of
training: 6 x parameters x tokens per second, plus attention's 12 x layers x width x the tokens
before each token (Chowdhery et al. 2022, appendix B), over the device's peak in bfloat16, which is
looked up for the devices named here and else given by --peak.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tabulate import tabulate

from qevolve_baselines.collect import Collector, demonstrate
from qevolve_baselines.data.batches import TokenizedEpisodes, draw_updates, passes_of
from qevolve_baselines.learners.base import make_learner
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.forward import action_logits, token_figures
from qevolve_baselines.model.policy import Policy, ScratchConfig, TranscriptConfig, find_dtype
from qevolve_baselines.optim import OptimConfig, Trainer
from qevolve_baselines.run.run import Run
from qevolve_bench.training.run import texts_of
from qevolve_envs.play import EnvConfig, draw_tasks

#: Dense bfloat16, in TFLOP/s, from the vendor's data sheets.
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}


def wait(device: str) -> float:
    """The time once the device has done what it was asked for."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--kv-heads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=256, help="episodes in lockstep")
    parser.add_argument("--horizon", type=int, default=30)
    parser.add_argument("--demos", type=int, default=512)
    parser.add_argument("--pass-tokens", type=int, default=65_536)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=64, help="of the Q-Evolve run")
    parser.add_argument("--peak", type=float, help="of the device, in TFLOP/s")
    args = parser.parse_args()
    world = EnvConfig("qevolve/Household-v0", kwargs={"size": "small"}, horizon=args.horizon)
    demos = demonstrate(world, args.demos, seed=0)
    config = ScratchConfig(
        hidden_size=args.hidden, layers=args.layers, heads=args.heads, kv_heads=args.kv_heads
    )
    policy = Policy.scratch(texts_of(demos), config, TranscriptConfig(), seed=0)
    policy.model.to(device=args.device, dtype=find_dtype(args.dtype))
    rows = []

    data = TokenizedEpisodes.of([policy.encoder.demonstration(d) for d in demos])
    optim = OptimConfig(lr=1e-4, batch_tokens=args.pass_tokens, pass_tokens=args.pass_tokens)
    lengths = [len(s.ids) for s in data.sequences]
    run = Run(seed=0)
    updates = [
        update
        for lap in range(args.updates + 2)
        for update in draw_updates(
            lengths,
            batch_tokens=optim.batch_tokens,
            pass_tokens=optim.pass_tokens,
            rng=run.rng("lap", lap),
        )
    ][: args.updates + 2]
    trainer = Trainer(policy.model.parameters(), optim, len(updates), "policy")
    policy.model.train()
    tokens = 0
    start = wait(args.device)
    for number, update in enumerate(updates):
        if number == 2:  # The first ones choose kernels and reserve memory.
            tokens, start = 0, wait(args.device)
        for batch, fraction in passes_of(data, update, args.device):
            figures = token_figures(action_logits(policy.model, batch), batch, 1.0)
            trainer.backward(-fraction.tokens * figures.logprobs.mean())
            tokens += batch.size
        trainer.step()
    rate = tokens / (wait(args.device) - start)
    rows.append(("training, tokens/s", f"{rate:,.0f}"))
    mean = sum(n * n for n in lengths) / sum(lengths) / 2
    flops = 6 * policy.parameters() + 12 * args.layers * args.hidden * mean
    rows.append(("training, model TFLOP/s", f"{rate * flops / 1e12:.1f}"))
    name = torch.cuda.get_device_name() if args.device != "cpu" else "cpu"
    peak = args.peak or next((v for k, v in PEAKS.items() if k in name), None)
    if peak is not None:
        rows.append(("utilisation", f"{rate * flops / 1e12 / peak:.1%}"))

    for batch_size in (args.batch, args.batch):  # The first one warms up.
        collector = Collector(world, batch_size)
        starts = draw_tasks(world.task_ids(), batch_size, 0, "throughput")
        start = wait(args.device)
        played = collector.play(PolicyAgent(policy, temperature=1.0), starts, name="throughput")
        took = wait(args.device) - start
        collector.close()
    rows.append(
        ("rollout, generated tokens/s", f"{sum(t.action_tokens for t in played) / took:,.0f}")
    )
    rows.append(
        ("rollout, env steps/s", f"{sum(len(t.episode.steps) for t in played) / took:,.1f}")
    )

    with TemporaryDirectory() as folder:
        settings = {
            "rounds": 1,
            "bc": {"epochs": 2, "optim": {"lr": 3e-4, "batch_tokens": 8192}},
            "collect": {"tasks": args.tasks, "per_task": 2, "batch_size": args.batch},
            "critic": {"epochs": 1, "optim": {"lr": 1e-4, "batch_tokens": 8192}},
            "policy": {"epochs": 1, "optim": {"lr": 3e-5, "batch_tokens": 8192}},
            "unhealthy": "log",
        }
        run = Run(seed=0, folder=Path(folder), accelerator=args.device != "cpu")
        start = wait(args.device)
        make_learner("q_evolve", None, settings).train(world, demos, policy, run)
        rows.append(("a short Q-Evolve run, s", f"{wait(args.device) - start:.0f}"))
        lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").open()]
        rows.append(("its stages", ", ".join(dict.fromkeys(str(x["stage"]) for x in lines))))
    print(f"{name}, {args.dtype}, {policy.parameters():,} parameters\n")
    print(tabulate(rows, disable_numparse=True))


if __name__ == "__main__":
    main()
