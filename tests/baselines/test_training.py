"""`qevolve-bench train` from the outside: what it makes, and what it refuses."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import tiny
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from qevolve_baselines.learners.sft import SFT
from qevolve_baselines.model.policy import Policy
from qevolve_bench.agents import resolve_agent
from qevolve_bench.cli import main
from qevolve_bench.runner.results import load_run
from qevolve_bench.training.evaluation import add_point, read_curve, worlds
from qevolve_bench.training.run import memory_in_a_sentence
from qevolve_bench.training.specification import TUNING, TrainingSpec
from qevolve_envs.episode import write_episodes
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.play import Assignment, EnvConfig

TINY = [
    *("--env", tiny.ENV_ID, "--demos", "12"),
    *(x for s in ("hidden_size=32", "layers=1", "vocabulary=360") for x in ("--scratch", s)),
    *("--transcript-config", "context=256", "--transcript-config", "max_action_tokens=8"),
    *("--transcript-config", "max_observation_tokens=48"),
]
#: The same environment in another process, whose current directory is `HERE`.
HERE, ABROAD = Path(__file__).parent, f"tiny:{tiny.ENV_ID}"
QUICK = ["--set", "epochs=1", "--set", "optim.batch_tokens=300"]


def train(*arguments, learner="sft"):
    """The exit code of the command."""
    return main(["train", learner, *TINY, *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "sft"
    options = ["--set", "epochs=40", "--set", "optim.batch_tokens=150", "--set", "reading=0.3"]
    assert train(*options, "--set", "optim.lr=1e-2", "--out", out) == 0
    return out


def refused(capsys, arguments, said, out, learner="sft"):
    """One sentence, exit code 2, nothing left behind."""
    assert train(*arguments, "--out", out, learner=learner) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("qevolve-bench: ") and "Traceback" not in message
    assert said in message
    assert not out.exists()


# ── what it makes ───────────────────────────────────────────────────────────


def test_points_of_a_curve_name_the_environment_as_episodes_do(tmp_path):
    kwargs = {"questions": str(tmp_path / "questions.json"), "rounds": 2}
    spec = TrainingSpec("sft", "qevolve/RolePlay-v0", env_kwargs=kwargs, horizon=3)
    add_point(tmp_path, spec, 1, {}, {})
    (point,) = read_curve(tmp_path)
    config = EnvConfig(spec.env_id, kwargs=kwargs, horizon=3)
    (episode,) = config.template().episodes([Assignment("x", 0)], "sft")
    assert point["env_kwargs"] == episode.env_kwargs == {"rounds": 2, "max_episode_steps": 3}
    assert point["env_id"] == episode.env_id


def test_a_run_says_what_it_did(tmp_path, capsys):
    out = tmp_path / "run"
    assert (
        train(*QUICK, "--budget", "trained_tokens=5000", "--evaluate", "unseen", "--out", out) == 0
    )
    said = capsys.readouterr()
    assert "unseen" in said.out and "95% intervals" in said.out and str(out / "policy") in said.out
    assert "Loading weights" not in said.err
    assert {p.name for p in out.iterdir()} == {
        *("spec.json", "metrics.jsonl", "curve.jsonl", "result.json", "demonstrations.jsonl"),
        *("policy", "evaluation"),
    }
    points = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert points[0]["checkpoint"] == 0 and points[0]["ledger"]["trained_tokens"] == 0
    assert [p["checkpoint"] for p in points] == sorted({p["checkpoint"] for p in points})
    for point in points:
        assert point["learner"] == "sft" and point["env_id"] == tiny.ENV_ID
        assert point["results"]["unseen"]["n"] == len(point["results"]["unseen"]["won"]) == 4
    assert load_run(out / "evaluation" / "unseen.jsonl").cells
    # Given again, the same command has nothing to do; another one is refused.
    before = (out / "result.json").read_bytes(), (out / "policy/model.safetensors").read_bytes()
    options = [*QUICK, "--budget", "trained_tokens=5000", "--evaluate", "unseen", "--out", out]
    assert train(*options) == 0
    assert train(*options, "--seed", "1") == 2
    assert "differs in its seed: 0 there, 1 here" in capsys.readouterr().err
    after = (out / "result.json").read_bytes(), (out / "policy/model.safetensors").read_bytes()
    assert before == after
    assert train(*options, "--seed", "1", "--force") == 0
    assert before[1] != (out / "policy/model.safetensors").read_bytes()


def test_checkpoints_are_hugging_faces(trained):
    model = AutoModelForCausalLM.from_pretrained(trained / "policy")
    tokenizer = AutoTokenizer.from_pretrained(trained / "policy")
    ours = Policy.load(trained / "policy")
    assert ours.transcript_config.context == 256
    ids = torch.tensor([ours.encoder.demonstration(tiny.demos()[0]).transcripts[0].ids])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, ours.model(ids).logits)
    assert tokenizer("take key")["input_ids"] == ours.encoder.encode("take key")


def test_a_trained_policy_is_an_agent(trained, tmp_path, monkeypatch):
    arguments = ["eval", "--env", ABROAD, "--agent", "checkpoint", "--split", "train"]
    monkeypatch.chdir(HERE)
    out = tmp_path / "run"
    path = ["--agent-arg", f"path={trained}"]
    assert main([*arguments, *path, "--out", str(out)]) == 0
    (episodes,) = load_run(out).cells.values()
    assert any(e.won for e in episodes)
    assert all(s.generated_tokens > 0 for e in episodes for s in e.steps)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": None}, "path=VALUE"),
        ({"path": "nowhere"}, "Cannot load a model from nowhere"),
        ({"heat": 1}, "heat"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"decoder": "fast"}, "decoder"),
        ({"device": "cuda:99"}, "--device cpu"),
        ({"dtype": "int3"}, "dtype"),
    ],
)
def test_wrong_options_of_the_agent_are_told(options, said, trained):
    given = {"path": str(trained), **options}
    with pytest.raises(BenchError, match=said):
        resolve_agent("checkpoint", tiny.world().make(), {k: v for k, v in given.items() if v})


def test_training_goes_on_from_a_run(trained, tmp_path):
    out = tmp_path / "rft"
    settings = [
        *("--set", "rounds=1", "--set", "collect.per_task=1", "--set", "fit.epochs=1"),
        *("--budget", "env_steps=100", "--evaluate", "unseen", "--init", trained),
    ]
    assert train(*settings, "--out", out, learner="rft") == 0
    result = json.loads((out / "result.json").read_text())
    assert 0 < result["ledger"]["env_steps"] <= 100 and result["ledger"]["expert_episodes"] == 12
    assert not (out / "warm-start").exists()


def test_files_of_demonstrations(tmp_path, capsys):
    file, out = tmp_path / "demos.jsonl", tmp_path / "run"
    write_episodes(file, tiny.demos())
    assert train(*QUICK, "--demos", file, "--out", out) == 0
    assert not (out / "demonstrations.jsonl").exists()
    foreign = tiny.demos()
    foreign[3].task_id = "hall/unseen/00"
    write_episodes(file, foreign)
    tiny._demos.cache_clear()
    refused(capsys, ["--demos", file], "hall/unseen/00, which is not a task", tmp_path / "2")
    foreign[3].env_id = "other/Hall-v0"
    write_episodes(file, foreign)
    refused(capsys, ["--demos", file], "holds episodes of other/Hall-v0", tmp_path / "2")
    tiny._demos.cache_clear()


def test_tasks_kept_apart_are_never_trained_on(tmp_path):
    spec = TrainingSpec(
        learner="sft", env_id=tiny.ENV_ID, tuning_tasks=4, evaluate=(TUNING,), seed=5
    )
    world, apart = worlds(spec)
    assert len(apart) == 4 and len(world.task_ids()) == 8
    assert not set(apart) & set(world.task_ids())
    spec.seed = 6
    assert worlds(spec)[1] == apart
    spec.tuning_tasks = 12
    with pytest.raises(BenchError, match="leaves none of 12 tasks"):
        worlds(spec)


def test_bfloat16_and_checkpointed_gradients_train(tmp_path):
    out = tmp_path / "run"
    options = ["--dtype", "bfloat16", "--gradient-checkpointing", "--attention", "eager"]
    assert train(*QUICK, *options, "--out", out) == 0
    assert Policy.load(out / "policy", dtype="bfloat16").model.dtype == torch.bfloat16


def test_transformers_keeps_its_own_settings(trained, tmp_path):
    before = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
        logging.getLogger().level,
    )
    Policy.load(trained / "policy").save(tmp_path / "again")
    assert before == (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
        logging.getLogger().level,
    )


# ── what it refuses ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "env_steps=0"], "needs a positive number"),
        (["--budget", "env_step=10"], "did you mean 'env_steps'"),
        (["--budget", "expert_episodes=3"], "allows 3 expert episodes, and there are 12"),
        (["--preset", "worm"], "did you mean 'warm'"),
        (["--set", "epoch=1"], "did you mean 'epochs'"),
        (["--set", "epochs=many"], "epochs must be a whole number"),
        (["--scratch", "layer=1"], "scratch.layer"),
        (["--scratch", "heads=3"], "must be a multiple of heads 3"),
        (["--transcript-config", "style=verse"], "react"),
        (["--transcript-config", "context=40"], "longer context"),
        (["--transcript-config", "max_action_tokens=2"], "raise max_action_tokens"),
        (["--demos", "1"], "1 will not do: raise --demos"),
        (["--demos", "0"], "0 will not do: raise --demos"),
        (["--demos", "nowhere.jsonl"], "Cannot read nowhere.jsonl"),
        (["--env", "CartPole-v1"], "CartPole"),
        (["--env", "tiny/Hall-v1"], "tiny/Hall-v0"),
        (["--split", "holiday"], "holiday"),
        (["--evaluate", "unsen"], "did you mean 'unseen'"),
        (["--device", "gpu"], "'gpu' is not a device"),
        (["--device", "cuda:99"], "--device cpu"),
        (["--dtype", "bfloat"], "did you mean 'bfloat16'"),
        (["--init", "a", "--model", "b"], "not from both"),
        (["--model", "nowhere/at/all"], "Cannot load a model from nowhere/at/all"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, said, tmp_path, capsys):
    refused(capsys, arguments, said, tmp_path / "run")


def test_settings_are_listed_as_they_would_be_used(capsys):
    arguments = ["--list-settings", "--preset", "paper", "--set", "rounds=7"]
    assert main(["train", "q_evolve", *arguments]) == 0
    said = capsys.readouterr().out
    values = {
        line.split()[0]: line.split()[1] for line in said.splitlines() if len(line.split()) > 1
    }
    assert (values["rounds"], values["advantage_rewards"]) == ("7", "env")
    assert "presets: paper, paper_webshop" in " ".join(said.split())


@pytest.mark.parametrize("missing", ["env", "out"])
def test_what_a_run_needs_is_asked_for(missing, tmp_path, capsys):
    given = {"env": "tiny/Hall-v0", "out": str(tmp_path / "run")}
    del given[missing]
    arguments = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert main(["train", "sft", *arguments]) == 2
    assert f"Give --{missing}" in capsys.readouterr().err


def test_unknown_learners_are_told(tmp_path, capsys):
    refused(capsys, [], "did you mean 'sft'", tmp_path / "run", learner="stf")


def test_no_success_is_told(tmp_path, capsys):
    file = tmp_path / "demos.jsonl"
    lost = tiny.demos()
    for episode in lost:
        episode.won = False
    write_episodes(file, lost)
    tiny._demos.cache_clear()
    refused(capsys, ["--demos", file], "None of the 12 demonstrations is a success", tmp_path / "r")


@pytest.mark.parametrize("lacking", ["pad_token", "eos_token"])
def test_a_model_whose_tokenizer_lacks_something_is_told(lacking, trained, tmp_path, capsys):
    policy = Policy.load(trained / "policy")
    setattr(policy.tokenizer, lacking, None)
    policy.tokenizer.save_pretrained(tmp_path / "model")
    policy.model.save_pretrained(tmp_path / "model")
    refused(capsys, ["--model", tmp_path / "model"], f"set tokenizer.{lacking}", tmp_path / "run")


def test_a_damaged_model_is_told(trained, tmp_path, capsys):
    policy = Policy.load(trained / "policy")
    policy.save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(capsys, ["--model", tmp_path / "model"], "Cannot load a model", tmp_path / "run")
    (tmp_path / "model" / "qevolve.json").write_text("[]")
    policy.model.save_pretrained(tmp_path / "model")
    with pytest.raises(BadFile, match="does not hold the settings"):
        Policy.load(tmp_path / "model")


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert train(*QUICK, "--out", tmp_path) == 2
    assert train(*QUICK, "--force", "--out", tmp_path) == 2
    assert "holds no training run: choose another folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    assert train(*QUICK, "--out", tmp_path / "thesis.txt") == 2
    assert "is a file" in capsys.readouterr().err
    assert train(*QUICK, "--out", tmp_path / "thesis.txt" / "run") == 2
    assert "cannot hold a training run" in capsys.readouterr().err


def test_a_loss_that_is_no_number_is_told_and_the_run_is_kept(tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    assert (
        train("--set", "optim.lr=1e30", "--set", "optim.clip_norm=1e30", *QUICK, "--out", out) == 2
    )
    assert "lower its learning rate" in capsys.readouterr().err
    assert not (out / "policy").exists() and not (out / "result.json").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
)
def test_out_of_memory_is_told(tmp_path, capsys, monkeypatch, error):
    def too_much(*arguments):
        raise error

    monkeypatch.setattr(SFT, "train", too_much)
    refused(capsys, [], "Out of memory: lower the learner's optim.pass_tokens", tmp_path / "run")
    with pytest.raises(RuntimeError, match="shapes"), memory_in_a_sentence():
        raise RuntimeError("shapes do not fit")


def test_a_run_that_is_not_done_is_no_agent(tmp_path):
    (tmp_path / "spec.json").write_text("{}")
    with pytest.raises(BenchError, match="holds no policy yet"):
        resolve_agent("checkpoint", tiny.world().make(), {"path": str(tmp_path)})


def test_an_interrupted_run_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(SFT, "train", stop)
    assert train("--out", tmp_path / "run") == 130
    assert "the same command goes on" in capsys.readouterr().err
