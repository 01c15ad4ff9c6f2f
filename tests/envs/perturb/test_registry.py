"""Names, specifications, and what may be perturbed."""

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec
from toy import Corridor

from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.language import find_language
from qevolve_envs.perturb import (
    PERTURBATIONS,
    PerturbedEnv,
    applicable,
    make_perturbed,
    most_steps,
    parse,
    perturb,
)
from qevolve_envs.registration import register_all

register_all()
HOUSEHOLD = "qevolve/Household-v0"


def test_every_perturbation_says_what_its_severities_mean():
    for name, one in PERTURBATIONS.items():
        assert name == one.name and one.summary
        assert len(one.severities) == 3 and len(set(one.severities)) == 3
        assert one.make(1, find_language(HOUSEHOLD)).severity == 1


def test_layers_do_not_depend_on_the_order_in_which_they_are_asked_for():
    assert [p.name for p, _ in parse("typos:1+rename:2")] == ["rename", "typos"]
    texts = {
        make_perturbed(HOUSEHOLD, spec).reset(seed=3)[0]
        for spec in ("typos:3+rename:2+reorder:3", "reorder:3+typos:3+rename:2")
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("perturbation", "said"),
    [
        ("typo:2", "did you mean 'typos'"),
        ("", "Unknown perturbation ''"),
        ("typos", "name:severity"),
        ("typos:0", "severity of 1, 2 or 3"),
        ("typos:4", "severity of 1, 2 or 3"),
        ("typos:two", "severity of 1, 2 or 3"),
        ("typos:2+", "Unknown perturbation ''"),
        ("typos:1+typos:2", "given twice"),
    ],
)
def test_what_is_not_a_perturbation_is_refused_with_the_mend(perturbation, said):
    env = gymnasium.make(HOUSEHOLD)
    with pytest.raises(BenchError, match=said):
        perturb(env, perturbation)


def test_a_perturbation_that_does_not_apply_says_why_and_names_where_it_does():
    said = r"'rename' does not apply to Corridor: its language file .* names; .*Household-v0"
    with pytest.raises(BenchError, match=said):
        perturb(Corridor(), "rename:1")
    assert "rename" not in applicable("toy/Corridor-v0")
    assert {"typos", "dropout", "failures"} <= set(applicable("toy/Corridor-v0"))
    assert applicable(HOUSEHOLD) == list(PERTURBATIONS)


def test_unknown_names_are_an_error_of_their_own():
    with pytest.raises(UnknownName):
        parse("tyops:1")


def test_an_environment_is_perturbed_once_and_before_other_wrappers():
    env = perturb(gymnasium.make(HOUSEHOLD), "typos:1")
    with pytest.raises(BenchError, match=r"perturbed already, by 'typos:1'.*\+"):
        perturb(env, "reorder:1")
    wrapped = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(HOUSEHOLD))
    with pytest.raises(BenchError, match="then put RecordEpisodeStatistics on it"):
        perturb(wrapped, "typos:1")
    with pytest.raises(BenchError, match="no text environment"):
        perturb(gymnasium.make("CartPole-v1"), "typos:1")


def test_the_horizon_is_that_of_the_environment():
    env = perturb(gymnasium.make(HOUSEHOLD, max_episode_steps=4), "typos:1")
    env.reset(seed=0)
    ends = [env.step("inventory")[3] for _ in range(4)]
    assert ends == [False, False, False, True]
    bare = perturb(Corridor(), "typos:1")
    bare.reset(seed=0)
    assert not any(bare.step("look")[3] for _ in range(60))


def test_the_specification_makes_it_again_in_json():
    env = make_perturbed(HOUSEHOLD, "rename:3", split="seen", admissible=True)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec.max_episode_steps == 30
    assert again.reset(seed=5) == env.reset(seed=5)
    assert isinstance(again.unwrapped, PerturbedEnv)


def test_only_failing_actions_make_episodes_longer():
    assert most_steps("typos:3+horizon:2", 30) == 30
    assert most_steps("typos:3+failures:1", 30) == 90
