"""What phrases are worth against words as tokens: `python tests/benchmarks/tokens.py [--learn N]`.

Tokens of an expert's episode in each embedded environment, with a tokenizer trained on other
episodes of it. With `--learn N`, also behaviour cloning of N household episodes both ways, for as
many epochs: seconds of processor on one thread, and success on tasks that it has not seen. The
success of one run says little; it is there to see that what is saved costs none.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from qevolve_baselines.collect import demonstrate
from qevolve_baselines.model.tokenizer import TOKENS, train_tokenizer
from qevolve_bench.training.run import texts_of, train
from qevolve_bench.training.specification import TrainingSpec
from qevolve_envs.play import EnvConfig

WORLDS = {
    "Household": EnvConfig("qevolve/Household-v0", kwargs={"size": "small"}),
    "Shop": EnvConfig("qevolve/Shop-v0"),
    "Lab": EnvConfig("qevolve/Lab-v0"),
}


def lengths(world: EnvConfig, vocabulary: int) -> list[str]:
    """Mean tokens of an episode's observations and actions: words, phrases, and their ratio."""
    demos = demonstrate(world, 600, seed=0)
    learnt, measured = texts_of(demos[:500]), demos[500:]

    def mean(tokens: str) -> float:
        encode = train_tokenizer(learnt, vocabulary, tokens)
        # The goal comes first, and stands in the first observation as well.
        texts = (texts_of([episode])[1:] for episode in measured)
        return float(np.mean([sum(map(len, encode(t)["input_ids"])) for t in texts]))

    words, phrases = mean("words"), mean("phrases")
    return [f"{words:.0f}", f"{phrases:.0f}", f"{words / phrases:.2f}"]


def learn(demos: int, epochs: int, tokens: str) -> list[str]:
    """Seconds of processor, and success on seen and unseen."""
    spec = TrainingSpec(
        learner="sft",
        env_id="qevolve/Household-v0",
        env_kwargs={"size": "small"},
        preset="warm",
        settings={"epochs": epochs},
        scratch={"tokens": tokens},
        demos=demos,
        evaluate=("seen", "unseen"),
        checkpoints=1,
    )
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(spec, Path(folder) / tokens)
    seconds = time.process_time() - start
    success = [f"{outcome.results[split]['success']:.3f}" for split in spec.evaluate]
    return [tokens, f"{outcome.ledger['trained_tokens']:,}", f"{seconds:.0f}", *success]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, default=1024)
    parser.add_argument("--learn", type=int, metavar="N", help="clone N episodes both ways")
    parser.add_argument("--epochs", type=int, default=14)
    args = parser.parse_args()
    rows = [[name, *lengths(world, args.vocabulary)] for name, world in WORLDS.items()]
    print(tabulate(rows, headers=["tokens of an episode", "words", "phrases", "ratio"]))
    if args.learn:
        torch.set_num_threads(1)
        rows = [learn(args.learn, args.epochs, tokens) for tokens in TOKENS]
        print(tabulate(rows, headers=["cloning", "trained", "seconds", "seen", "unseen"]))


if __name__ == "__main__":
    main()
