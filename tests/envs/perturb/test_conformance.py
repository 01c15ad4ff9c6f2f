"""Perturbed environments keep the environment contract."""

import functools

import pytest

from qevolve_envs.perturb import PERTURBATIONS, applicable, make_perturbed
from qevolve_envs.testing import (
    check_pickling,
    check_processes,
    check_repeatable,
    check_serialisable,
    check_spaces,
    check_tasks,
    check_threads,
    check_unknown_names,
    fuzz,
)

ENVS = ("qevolve/Household-v0", "qevolve/Shop-v0", "qevolve/Lab-v0")
EVERYTHING = "+".join(f"{name}:3" for name in PERTURBATIONS)
PAIRS = [
    pytest.param(env_id, f"{name}:{severity}", id=f"{env_id.split('/')[1]}-{name}:{severity}")
    for env_id in ENVS
    for name in applicable(env_id)
    for severity in (1, 2, 3)
]


def factory(env_id, perturbation):
    return functools.partial(make_perturbed, env_id, perturbation)


@pytest.mark.parametrize("env_id", ENVS)
def test_everything_at_once(env_id):
    made = factory(env_id, EVERYTHING)
    check_spaces(made)
    check_serialisable(made)
    check_tasks(made, per_split=2)
    check_unknown_names(made)
    check_repeatable(made, steps=40)
    check_threads(made, steps=20)
    check_pickling(made)
    for admissible in (False, True):
        assert sum(fuzz(made, 150, admissible=admissible, reward="dense").values()) == 150


@pytest.mark.parametrize(("env_id", "perturbation"), PAIRS)
def test_any_text_is_answered(env_id, perturbation):
    assert sum(fuzz(factory(env_id, perturbation), 60, admissible=True).values()) == 60


def test_everything_is_the_same_in_another_process():
    check_processes(factory("qevolve/Lab-v0", EVERYTHING), steps=30, hash_seeds=(1,))


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "perturbation"), PAIRS)
def test_the_whole_contract(env_id, perturbation):
    made = factory(env_id, perturbation)
    for check in (
        check_spaces,
        check_serialisable,
        check_tasks,
        check_unknown_names,
        check_repeatable,
        check_threads,
        check_processes,
        check_pickling,
    ):
        check(made)
    for reward in ("sparse", "dense"):
        fuzz(made, 400, reward=reward, admissible=True)
