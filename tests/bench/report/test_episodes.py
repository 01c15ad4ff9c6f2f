import json

from hypothesis import given
from hypothesis import strategies as st
from report_world import episode

from qevolve_bench.report.episodes import FEEDBACK, _runs, pack, unpack
from qevolve_bench.report.inputs import Method


def method(name, episodes, cell="Household unseen"):
    made = Method(name)
    made.played = {cell: episodes}
    return made


def spread(runs):
    return [value for value, count in zip(runs[::2], runs[1::2], strict=True) for _ in range(count)]


@given(st.lists(st.sampled_from([0, 1, 0.5])))
def test_run_lengths_come_back(values):
    runs = _runs(iter(values))
    assert spread(runs) == values
    assert all(a != b for a, b in zip(runs[::2], runs[2::2], strict=False))


@given(
    st.lists(
        st.builds(
            episode,
            task=st.text(max_size=5),
            won=st.booleans(),
            steps=st.integers(0, 4),
            text=st.text(max_size=5),
            tokens=st.integers(0, 9),
            error=st.none() | st.text(max_size=9),
        ),
        max_size=8,
    )
)
def test_episodes_come_back_as_they_were_played(episodes):
    packed = pack([method("a", episodes)])
    chunks = [unpack(chunk) for chunk in packed.chunks]
    shown = [(one, chunk["texts"]) for chunk in chunks for one in chunk["episodes"]]
    assert len(shown) == len(episodes) == len(packed.index["rows"])
    for (one, texts), played, row in zip(shown, episodes, packed.index["rows"], strict=True):
        assert texts[one["goal"]] == played.goal
        assert texts[one["start"]] == played.first_observation
        assert [texts[i] for i in one["act"]] == [s.action for s in played.steps]
        assert [texts[i] for i in one["obs"]] == [s.observation for s in played.steps]
        assert spread(one["reward"]) == [s.reward for s in played.steps]
        assert spread(one["score"]) == [s.score for s in played.steps]
        assert [FEEDBACK[i] for i in spread(one["feedback"])] == [s.feedback for s in played.steps]
        error = texts[one["error"]] if "error" in one else None
        assert error == played.error
        state = 2 if played.error is not None else int(played.won)
        assert row == [0, 0, played.task_id, played.seed, state, played.score, len(played.steps)]
        tokens = one.get("read", [0] * len(played.steps))
        assert tokens == [s.prompt_tokens for s in played.steps]


def test_texts_are_stored_once_and_the_bytes_are_the_same_each_time():
    episodes = [episode("t", True) for _ in range(200)]
    packed = pack([method("a", episodes)])
    texts = unpack(packed.chunks[0])["texts"]
    assert len(texts) == len(set(texts)) == 8
    assert len(packed.chunks[0]) < 2_000
    assert packed == pack([method("a", episodes)])


def test_the_first_episode_of_each_task_can_be_found():
    packed = pack(
        [method("a", [episode("t", True), episode("u", False)]), method("b", [episode("t", True)])]
    )
    assert packed.first["a", "Household unseen", "u"] == 1
    assert packed.first["b", "Household unseen", "t"] == 2


def test_what_is_left_out_is_counted():
    packed = pack([method("a", [episode("t", True)] * 5)], most=2)
    assert (len(packed.index["rows"]), packed.left_out) == (2, 3)
    assert json.loads(json.dumps(packed.index))["rows"][1][2] == "t"
