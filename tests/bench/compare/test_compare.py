from __future__ import annotations

import numpy as np
import pytest

from qevolve_bench.analysis.compare import compare, costs, unshared
from qevolve_bench.analysis.outcomes import BudgetPoint, read_sides
from qevolve_bench.analysis.render import p_text, sentence
from qevolve_bench.efficiency import read_curves
from qevolve_bench.statistics import (
    crossed_difference,
    holm,
    sign_flip_test,
    success_difference,
    wilson_interval,
)
from qevolve_envs.episode import read_episodes
from qevolve_envs.errors import BenchError

#: 40 tasks: 24 won by the better one, 12 by the worse one, 8 by both.
BETTER = [1] * 24 + [0] * 16
WORSE = [1] * 8 + [0] * 16 + [1] * 4 + [0] * 12


def sides_of(*arguments, **options):
    return read_sides([str(a) for a in arguments], **options).sides


def only(*arguments, **options):
    (found,) = compare(sides_of(*arguments), **options)
    return found


# ── agents ──────────────────────────────────────────────────────────────────


def test_two_agents_by_hand(bare):
    found = only(bare("new", BETTER), bare("old", WORSE))
    gaps = np.array(BETTER) - np.array(WORSE)
    # Bonett and Price: 12 / 42 = .2857, error sqrt((22 / 42 - .2857^2) / 42) = .1026.
    assert found.difference == pytest.approx(0.3) and found.tasks == 40
    assert found.first.interval == wilson_interval(24, 40)
    assert found.interval == success_difference(BETTER, WORSE).interval
    # 16 against 4: McNemar's exact test.
    assert found.p_value == sign_flip_test(gaps).p_value == pytest.approx(0.0118, abs=1e-4)
    assert found.ahead == (16, 4) and found.over == "tasks"
    assert sentence(found) == (
        "new beats old on Household unseen by 30.0 points [8.5, 48.7], p = 0.012."
    )


def test_the_order_of_the_sides_does_not_matter_to_the_sentence(bare):
    new, old = bare("new", BETTER), bare("old", WORSE)
    there, back = only(new, old), only(old, new)
    assert sentence(there) == sentence(back)
    assert there.difference == -back.difference


def test_no_difference_shown(bare):
    found = only(bare("new", [1, 0] * 20), bare("old", [1] * 18 + [0] * 22))
    assert sentence(found) == (
        "No difference shown between new and old on Household unseen: p = 0.82; the interval holds"
        " all from -17.1 to 26.6 points in favour of new."
    )


def test_the_same_everywhere(bare):
    found = only(bare("new", BETTER), bare("old", BETTER))
    assert found.p_value == 1.0 and found.interval.low < 0 < found.interval.high
    assert sentence(found) == (
        "new and old did the same on every one of the 40 tasks of Household unseen."
    )


def test_a_failed_episode_is_not_won_and_stays(bare):
    found = only(bare("new", [1, None, 1, 1]), bare("old", [1, 1, 1, 1]))
    assert found.first.mean == 0.75 and found.tasks == 4


def test_one_task_says_nothing(bare):
    found = only(bare("new", [1]), bare("old", [0]))
    assert (found.interval, found.p_value) == (None, None)
    assert found.notes == ("One task is no sample of tasks: there is no interval and no test.",)
    assert "but there is no spread to test that by" in sentence(found)


def test_scores_without_spread(bare):
    sides = sides_of(bare("new", [1] * 9), bare("old", [0] * 9), outcome="score")
    (found,) = compare(sides, outcome="score")
    assert found.interval is None and found.p_value == 2 / 2**9
    assert found.notes == ("The difference is the same on every task, so that it has no interval.",)
    assert sentence(found, outcome="score") == (
        "new beats old on Household unseen by 100.0 score points, p = 0.0039."
    )


def test_rounds_of_a_task_are_averaged(bare):
    # Two rounds of three tasks against one round.
    found = only(bare("new", [1, 1, 1, 0, 0, 0], rounds=2), bare("old", [0, 0, 0]))
    assert found.first.mean == pytest.approx(0.5) and found.tasks == 3
    assert "new and old played 2 and 1 rounds of each task." in found.notes


def test_uneven_rounds_are_said(bare):
    tasks = ["a", "b", "b"]
    found = only(bare("new", [1, 1, 0], tasks=tasks), bare("old", [1, 1], tasks=["a", "b"]))
    assert found.first.mean == pytest.approx(0.75)
    assert "new played tasks 1 to 2 times; each task weighs the same." in found.notes


def test_only_shared_tasks_count(bare):
    tasks = [f"t{i}" for i in range(10)]
    found = only(
        bare("new", [1] * 10, tasks=tasks),
        bare("old", [0] * 8 + [1] * 4, tasks=[*tasks[2:], "x", "y", "z", "w"]),
    )
    assert found.tasks == 8 and "Only the 8 tasks that both played count, of 12." in found.notes


def test_holm_over_all_cells(run_folder):
    new = run_folder("new", {"seen": BETTER, "unseen": BETTER})
    old = run_folder("old", {"seen": WORSE, "unseen": [1, 0] * 20})
    found = compare(sides_of(new, old))
    raw = [c.p_value for c in found]
    assert [c.adjusted for c in found] == holm(raw).tolist()
    assert {c.family for c in found} == {2}
    assert sentence(found[0]).endswith("p = 0.024, Holm over 2.")
    plain = compare(sides_of(new, old), correction="none")
    assert [c.adjusted for c in plain] == raw and "Holm" not in sentence(plain[0])
    bh = compare(sides_of(new, old), correction="bh")
    assert sentence(bh[0]).endswith("Benjamini-Hochberg over 2.")


def test_what_does_not_survive_the_correction(run_folder):
    # 11 against 2 of 40: p = .022 alone.
    near = [1] * 11 + [0] * 29
    far = [0] * 11 + [1] * 2 + [0] * 27
    new = run_folder("new", {"seen": near, "unseen": [1, 0] * 20, "third": [1, 0] * 20})
    old = run_folder("old", {"seen": far, "unseen": [0, 1] * 20, "third": [1, 0] * 20})
    found = compare(sides_of(new, old))[0]
    assert sentence(found) == (
        "No difference shown between new and old on Household seen: 22.5 points [4.6, 38.3] with"
        " p = 0.022 alone, but p = 0.067 (Holm over 3)."
    )


def test_three_sides_and_a_baseline(bare):
    sides = sides_of(bare("a", BETTER), bare("b", WORSE), bare("c", [1, 0] * 20))
    assert [(c.first.name, c.second.name) for c in compare(sides)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    found = compare(sides, baseline="a")
    assert [(c.first.name, c.second.name) for c in found] == [("b", "a"), ("c", "a")]
    with pytest.raises(BenchError, match="Unknown baseline 'd'"):
        compare(sides, baseline="d")


def test_runs_with_other_cells_are_said(run_folder):
    sides = sides_of(run_folder("a", {"seen": BETTER}), run_folder("b", {"unseen": BETTER}))
    assert unshared(sides) == [
        "Household seen was not played by b.",
        "Household unseen was not played by a.",
    ]
    with pytest.raises(BenchError, match=r"nothing can be compared: a played Household seen and b"):
        compare(sides)


def test_other_panels_and_horizons_are_refused(run_folder):
    a = run_folder("a", {"seen": BETTER})
    with pytest.raises(BenchError, match=r"different panels of Household seen \(digests aaaaaaaa"):
        compare(sides_of(a, run_folder("b", {"seen": WORSE}, panel="b" * 64)))
    with pytest.raises(BenchError, match="horizons of 30 and 50 steps"):
        compare(sides_of(a, run_folder("c", {"seen": WORSE}, horizon=50)))


def test_a_horizon_is_part_of_the_rules_not_of_the_cell(bare):
    short = bare("short", BETTER, env_kwargs={"max_episode_steps": 10})
    (found,) = compare(sides_of(short, bare("any", WORSE)))
    assert found.cell.label == "Household unseen"
    assert "short had 10 steps in Household unseen; any does not record it." in found.notes
    with pytest.raises(BenchError, match="horizons of 10 and 20 steps"):
        compare(sides_of(short, bare("long", WORSE, env_kwargs={"max_episode_steps": 20})))


def test_other_arguments_are_part_of_the_cell(bare):
    small = bare("small", BETTER, env_kwargs={"size": "small"})
    with pytest.raises(BenchError, match=r"small played Household unseen \(size=small\) and any"):
        compare(sides_of(small, bare("any", WORSE)))


def test_no_shared_task_is_refused(bare):
    with pytest.raises(BenchError, match="share no task of Household unseen: they played diff"):
        compare(sides_of(bare("a", [1], tasks=["x"]), bare("b", [1], tasks=["y"])))


def test_runs_under_one_name_are_a_sample(run_folder):
    rng = np.random.default_rng(0)
    for seed in range(4):
        run_folder(f"new-{seed}", {"unseen": (rng.random(60) < 0.7).astype(int)}, agent="m:new")
        run_folder(f"old-{seed}", {"unseen": (rng.random(60) < 0.4).astype(int)}, agent="m:old")
    parent = run_folder("x", {"unseen": [1]}).parent
    found = only(parent / "new-*", f"before={parent / 'old-*'}")
    assert (found.first.name, found.second.name) == ("m:new", "before")
    assert found.over == "seeds and tasks" and found.test == "t over seeds and tasks"
    assert (found.first.seeds, found.second.seeds) == (4, 4)
    assert "Their runs are no pairs of one seed and are compared as independent." in found.notes
    assert found.p_value < 0.01
    # Against a single opponent.
    found = only(parent / "new-*", parent / "old-0")
    assert any("The second side is one run, taken as it is" in note for note in found.notes)


# ── learners ────────────────────────────────────────────────────────────────


def test_learners_over_seeds_and_tasks(training):
    strong, weak = training("q_evolve", 0.8), training("rft", 0.5)
    found = only(*strong, *weak)
    tables = [
        np.stack([read_curves(f)[0].checkpoints[-1].panels["unseen"].success for f in folders])
        for folders in (strong, weak)
    ]
    expected = crossed_difference(*tables)
    assert found.difference == pytest.approx(expected.estimate.value)
    assert found.interval == pytest.approx(expected.estimate.interval)
    assert found.p_value == pytest.approx(expected.p_value)
    assert found.cell.label == "Household unseen (size=small)"
    assert (found.first.seeds, found.second.seeds, found.over) == (5, 5, "seeds and tasks")
    assert sentence(found).startswith("q_evolve beats rft on Household unseen (size=small) by ")


def test_sign_flips_over_seeds_say_what_they_cannot_show(training):
    sides = sides_of(*training("q_evolve", 0.9), *training("rft", 0.3))
    (found,) = compare(sides, test="sign-flip")
    assert found.p_value == found.least == 0.0625
    assert "Over 5 seeds sign flips cannot give less than p = 0.0625." in found.notes
    assert sentence(found).startswith("No difference shown between q_evolve and rft")
    assert sentence(found).endswith(
        "leaves zero out, but the test (sign flips over 5 seeds) gives p = 0.062, and cannot give"
        " less than 0.062."
    )


def test_only_common_seeds_are_pairs(training):
    found = only(
        *training("q_evolve", 0.8, seeds=[0, 1, 2, 3]), *training("rft", 0.5, seeds=[2, 3, 9])
    )
    assert "Only the 2 seeds that both have are compared, as pairs." in found.notes
    assert (found.first.seeds, found.second.seeds) == (2, 2)
    assert found.difference == pytest.approx(found.first.mean - found.second.mean)
    assert found.interval.low < found.difference < found.interval.high
    found = only(*training("sft", 0.8, seeds=[0, 1]), *training("ppo", 0.5, seeds=[2, 3]))
    assert "Their runs are no pairs of one seed and are compared as independent." in found.notes


def test_single_training_runs_speak_for_themselves_only(training):
    found = only(*training("q_evolve", 0.9, seeds=1), *training("rft", 0.3, seeds=1))
    assert found.over == "tasks"
    assert sum("is a single training run: nothing is said" in note for note in found.notes) == 2
    assert sentence(found).endswith("p < 0.0001, for this seed alone.")


def test_budgets(training):
    runs = [*training("q_evolve", 0.8), *training("rft", 0.5, steps=3000)]
    sources = read_sides([str(r) for r in runs])
    assert sources.notes == ["Learners at env_steps = 1,000."]
    early = read_sides([str(r) for r in runs], budget=BudgetPoint.parse("env_steps=100"))
    assert early.sides[0].entries[next(iter(early.sides[0].entries))].table.mean() < 0.4
    late = compare(
        read_sides([str(r) for r in runs], budget=BudgetPoint.parse("env_steps=3_000")).sides
    )
    assert any("q_evolve ended before 3,000 env_steps" in note for note in late[0].notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps=3", "did you mean 'env_steps'"),
        ("env_steps=many", "--at needs AXIS=AMOUNT"),
        ("env_steps=", "--at needs AXIS=AMOUNT"),
    ],
)
def test_budgets_that_are_none(text, words):
    with pytest.raises(BenchError, match=words):
        BudgetPoint.parse(text)
    assert BudgetPoint.parse("trained_tokens") == BudgetPoint("trained_tokens")
    assert BudgetPoint.parse("episodes=1,500") == BudgetPoint("episodes", 1500.0)


def test_costs_of_all_learners_end_at_one_horizon(training):
    runs = [*training("q_evolve", 0.8), *training("rft", 0.5, steps=3000)]
    learners = read_sides([str(r) for r in runs]).learners
    found = costs(learners, "env_steps", 0.7)
    assert {cost.horizon for cost in found} == {1000}
    assert found[0].sentence.startswith("q_evolve reached success 0.7 on Household unseen (")
    assert found[1].reached == 0


def test_a_learner_without_spread_has_no_test(training):
    found = only(
        *training("q_evolve", 2.0, seeds=2, spread=0), *training("rft", -1.0, seeds=2, spread=0)
    )
    assert (found.interval, found.p_value, found.difference) == (None, None, 1.0)
    assert "no spread to test that by" in sentence(found)


# ── names and files ─────────────────────────────────────────────────────────


def test_agents_give_names_until_they_clash(run_folder, bare):
    a, b = run_folder("a", {"seen": BETTER}), run_folder("b", {"seen": WORSE}, agent="a")
    assert [side.name for side in sides_of(a, bare("mine", BETTER))] == ["a", "mine"]
    assert [side.name for side in sides_of(a, b)] == ["a", "b"]
    assert [side.name for side in sides_of(f"x.1={a}", f"y={b}")] == ["x.1", "y"]


def test_cells_of_one_agent_in_several_runs_are_one_side(run_folder):
    seen = run_folder("a-seen", {"seen": BETTER}, agent="a")
    unseen = run_folder("a-unseen", {"unseen": BETTER}, agent="a")
    both = run_folder("b", {"seen": WORSE, "unseen": WORSE})
    sides = sides_of(seen, unseen, both)
    assert [side.name for side in sides] == ["a", "b"]
    assert [c.cell.split for c in compare(sides)] == ["seen", "unseen"]


def test_learners_keep_apart_under_names(training):
    runs = training("rft", 0.5, seeds=2)
    sides = sides_of(f"x={runs[0]}", f"y={runs[1]}")
    assert [side.name for side in sides] == ["x", "y"]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda f, b, t, p: [p / "nothing"], "There is no .*nothing"),
        (lambda f, b, t, p: [p / "no*"], "Nothing matches .*no"),
        (lambda f, b, t, p: [f("a", {"seen": [1]}), p / "a"], "a is given twice"),
        (lambda f, b, t, p: [t("rft", 0.5)[0], p / "rft-0"], "rft-0 is given twice"),
        (lambda f, b, t, p: [f"a={b('x', [1])}", f"a={b('y', [1])}"], "Two sides are called 'a'"),
        (lambda f, b, t, p: [f("a", {"seen": [1]}).parent], r"holds runs, but is none: did you me"),
        (
            lambda f, b, t, p: [f("a", {"s": [1]}), f("b", {"s": [1]}), p / "[ab]"][2:],
            "matches runs of several agents",
        ),
        (
            lambda f, b, t, p: [f("a", {"s": [1]}), t("rft", 0.5), f"x={p / '*'}"][2:],
            "mixes training runs and evaluations",
        ),
        (
            lambda f, b, t, p: [b("rft", [1]), *t("rft", 0.5)],
            "'rft' is both a learner and an agent|Two sides",
        ),
    ],
)
def test_refused_arguments(build, words, run_folder, bare, training, tmp_path):
    with pytest.raises(BenchError, match=words):
        sides_of(*build(run_folder, bare, training, tmp_path))


def test_runs_that_played_unlike_things_are_no_sample(run_folder):
    run_folder("a-0", {"seen": [1, 0]}, agent="a")
    parent = run_folder("a-1", {"seen": [1, 0], "unseen": [1]}, agent="a").parent
    with pytest.raises(BenchError, match="Only 1 of the 2 runs of a played Household unseen"):
        sides_of(parent / "a-*")
    run_folder("b-0", {"seen": [1, 0]}, agent="b")
    run_folder("b-1", {"seen": [1, 0]}, agent="b", panel="c" * 64)
    with pytest.raises(BenchError, match="runs of b played Household seen with different panels"):
        sides_of(parent / "b-*")


def test_an_empty_file_and_an_empty_folder(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(BenchError, match="holds no episodes"):
        sides_of(tmp_path / "empty.jsonl")
    (tmp_path / "README.md").write_text("Results\n")
    with pytest.raises(
        BenchError, match=r"README.md is no run folder, no submission and no \.jsonl"
    ):
        sides_of(tmp_path / "README.md")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(BenchError, match="hollow is empty"):
        sides_of(tmp_path / "hollow")


@pytest.mark.parametrize("option", [{"correction": "bonferroni"}, {"test": "t"}])
def test_unknown_options(bare, option):
    with pytest.raises(BenchError, match=r"Unknown (correction|test) '"):
        compare(sides_of(bare("a", [1, 0]), bare("b", [0, 1])), **option)


def test_a_comparison_takes_two(bare):
    path = bare("a", [1, 0])
    with pytest.raises(BenchError, match="two sides or more, not 1"):
        compare(sides_of(path))
    assert len(list(read_episodes(path))) == 2


def test_p_values_for_people():
    assert [p_text(p) for p in (1.0, 0.412, 0.00041, 0.00001)] == [
        "p = 1",
        "p = 0.41",
        "p = 0.00041",
        "p < 0.0001",
    ]


def test_a_training_run_without_an_evaluation_is_refused_as_that(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.json").write_text("{}")
    with pytest.raises(BenchError, match=r"no evaluation yet: let the same qevolve-bench train"):
        sides_of(tmp_path / "run")
