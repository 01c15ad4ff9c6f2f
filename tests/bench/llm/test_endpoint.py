"""The agent `openai`, against a server on this machine that answers well and badly."""

from __future__ import annotations

import email.utils
import json
import os
import signal
import sys
import threading
import time

import pytest

from qevolve_bench.agents import resolve_agent
from qevolve_bench.llm.chat import cost
from qevolve_bench.llm.endpoint import Endpoint
from qevolve_bench.runner.evaluate import evaluate
from qevolve_envs.agent import Agent, Describes, Failed, ReportsUsage, TaskView
from qevolve_envs.errors import BenchError, MissingData

pytest.importorskip("openai")

TOY = "benchtoy/Corridor-v0"


def view(index=0):
    return TaskView(
        TOY, f"corridor/test/{index:04d}", "Reach the door.", 40 + index, lambda: ["x", "y"]
    )


@pytest.fixture
def make(server, toy_env):
    """Makes the agent for the server, with quick retries; closes it afterwards."""
    made = []

    def make(**options):
        options = {
            "model": "tiny",
            "base_url": server.url,
            "check": False,
            "backoff": 0.001,
            "timeout": 5.0,
            **options,
        }
        agent = resolve_agent("openai", toy_env, options)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent._backend.close()


def act(agent, n=1):
    agent.reset([view(i) for i in range(n)])
    return list(agent.act([f"o{i}" for i in range(n)]))


# ── what goes well ──────────────────────────────────────────────────────────


def test_it_plays_and_counts(server, make):
    agent = make()
    assert isinstance(agent, Agent) and isinstance(agent, ReportsUsage)
    episodes = evaluate(TOY, agent=agent, split="test", batch_size=3)
    assert all(e.won and e.error is None for e in episodes)
    assert all((s.prompt_tokens, s.generated_tokens) == (11, 3) for e in episodes for s in e.steps)
    assert len(server.requests) == sum(len(e.steps) for e in episodes)
    for path, headers, body in server.requests:
        assert path == "/v1/chat/completions"
        assert headers["authorization"] == "Bearer sk-a-secret"
        assert body["model"] == "tiny" and body["temperature"] == 0.0 and body["max_tokens"] == 512
        assert "seed" not in body and "top_p" not in body
    assert act(agent, 2) == ["right", "right"]
    assert agent.usage() == [(11, 3), (11, 3)]
    assert list(agent.act([None, "o"])) == ["", "right"]
    assert agent.usage() == [(0, 0), (11, 3)]


def test_the_dialogue_reaches_the_server(server, make, behaviours):
    server.script = [
        behaviours.says("Thought: hm\nAction: left\nAction: win"),
        behaviours.says("x"),
    ]
    agent = make(prompt="act", list_commands=True)
    assert act(agent) == ["left"]
    assert agent.act(["o1"]) == ["x"]
    first, second = (body["messages"] for _, _, body in server.requests)
    assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
    assert second[2]["content"] == "Thought: hm\nAction: left"
    assert first[1]["content"].endswith("x\ny") and second[1]["content"].endswith("o0")
    assert second[3]["content"].startswith("o1") and second[3]["content"].endswith("x\ny")


def test_every_option_is_sent_as_told(server, make):
    agent = make(
        temperature=None, top_p=0.5, max_tokens=7, send_seed=True, max_tokens_field="limit"
    )
    act(agent, 2)
    bodies = [body for _, _, body in server.requests]
    assert all("temperature" not in b and "max_tokens" not in b for b in bodies)
    assert all((b["top_p"], b["limit"]) == (0.5, 7) for b in bodies)
    seeds = sorted(b["seed"] for b in bodies)
    assert len(set(seeds)) == 2
    act(make(send_seed=True), 2)
    assert sorted(body["seed"] for _, _, body in server.requests[2:]) == seeds
    agent.act(["o", None])
    assert server.requests[-1][2]["seed"] not in seeds


def test_the_number_of_requests_at_once_is_bounded(server, make, behaviours):
    lock, state = threading.Condition(), {"now": 0, "most": 0}

    def wait_for_three(handler, body):
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
            lock.notify_all()
            lock.wait_for(lambda: state["most"] >= 3, timeout=10)
        time.sleep(0.02)
        with lock:
            state["now"] -= 1
        behaviours.says("Action: right")(handler, body)

    server.otherwise = wait_for_three
    assert act(make(concurrency=3), 9) == ["right"] * 9
    assert state["most"] == 3


def test_answers_keep_the_order_of_the_episodes(server, make, behaviours):
    def echo(handler, body):
        observation = body["messages"][1]["content"].split()[-1]
        time.sleep(0.03 if observation == "o0" else 0)
        behaviours.says(f"Action: {observation}")(handler, body)

    server.otherwise = echo
    assert act(make(), 6) == [f"o{i}" for i in range(6)]


# ── what passes ─────────────────────────────────────────────────────────────


def test_a_fault_that_passes_is_tried_again(server, make, behaviours):
    status, sends = behaviours.status, behaviours.sends
    faults = [
        status(429),
        status(500),
        status(503),
        status(408),
        server.drop,
        server.drop_halfway,
        sends("no json at all {"),
        sends("<html>a proxy's page</html>", Content_Type="text/html"),
        sends("\x00\x01"),
        sends("null"),
        sends([1, 2]),
        sends({}),
        sends({"choices": []}),
        sends({"choices": "none"}),
        sends({"choices": [{}]}),
        behaviours.says(["not", "text"]),
    ]
    agent = make(retries=len(faults), backoff=0)
    server.script = list(faults)
    assert act(agent) == ["right"]
    assert len(server.requests) == len(faults) + 1 == agent._backend.attempts


def test_a_stalled_answer_is_given_up_and_tried_again(server, make):
    server.script = [server.stall]
    assert act(make(timeout=0.2)) == ["right"]


@pytest.mark.parametrize("header", ["7", "7.5", "date"])
def test_retry_after_is_honoured(server, make, behaviours, monkeypatch, header):
    pauses = []
    pause = Endpoint._pause

    def recorded(self, attempt, retry_after):
        pauses.append(pause(self, attempt, retry_after))
        return 0.0

    monkeypatch.setattr(Endpoint, "_pause", recorded)
    value = email.utils.formatdate(time.time() + 100, usegmt=True) if header == "date" else header
    server.script = [behaviours.status(429, Retry_After=value), behaviours.status(429)]
    assert act(make()) == ["right"]
    asked, own = pauses
    assert asked == float(header) if header != "date" else 60 < asked <= 100
    assert 0 < own <= 0.002


@pytest.mark.parametrize("header", ["-3", "nan", "inf", "soon", ""])
def test_a_senseless_retry_after_is_none(server, make, behaviours, header):
    server.script = [behaviours.status(429, Retry_After=header)]
    assert act(make()) == ["right"]


def test_pauses_double_with_jitter_up_to_a_minute(make):
    backend = make(backoff=1.0)._backend
    for attempt, most in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        drawn = [backend._pause(attempt, 0.0) for _ in range(50)]
        assert most / 2 <= min(drawn) < max(drawn) <= most
    assert backend._pause(0, 90.0) == 90.0


# ── what fails ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("429", "no answer in 3 attempts: the endpoint answered 429: some words."),
        ("500", "no answer in 3 attempts: the endpoint answered 500: some words."),
        ("drop", "no answer in 3 attempts: the endpoint cannot be reached, or dropped the conn"),
        ("empty", "no answer in 3 attempts: the answer has no choices."),
        ("garbage", "no answer in 3 attempts: the answer is no chat completion."),
        ("stall", "no answer in 3 attempts: nothing came for 0.05 s."),
    ],
)
def test_a_fault_that_stays_fails_the_episode(server, make, behaviours, name, reason):
    server.otherwise = {
        "429": behaviours.status(429),
        "500": behaviours.status(500),
        "drop": server.drop,
        "empty": behaviours.sends({"choices": []}),
        "garbage": behaviours.sends("no json at all {"),
        "stall": server.stall,
    }[name]
    agent = make(retries=2, timeout=0.05 if name == "stall" else 5.0)
    (answer,) = act(agent)
    assert isinstance(answer, Failed) and answer.reason.startswith(reason)
    assert len(server.requests) == 3
    assert agent.usage() == [(0, 0)]


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (401, "bad key sk-a-secret", "the endpoint wants another key than that in $OPENAI_API_KEY"),
        (403, "no", "the endpoint wants another key than that in $OPENAI_API_KEY (403)."),
        (404, "no tiny here", "the endpoint does not know the model 'tiny', or the base URL lacks"),
        (400, {"message": "too long", "code": "context_length_exceeded"}, "the dialogue is longer"),
        (400, "This model's maximum context length is 9 tokens", "the dialogue is longer"),
        (422, "odd\n field", "the endpoint answered 422: odd field."),
        (400, "you sent sk-a-secret", "the endpoint answered 400: you sent [key]."),
        (400, "x" * 5000, "the endpoint answered 400: " + "x" * 197 + "..."),
        (429, {"message": "pay", "code": "insufficient_quota"}, "the account's quota is used up"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(server, make, behaviours, code, error, reason):
    server.script = [behaviours.status(code, error)]
    (answer,) = act(make())
    assert isinstance(answer, Failed) and answer.reason.startswith(reason)
    assert "\n" not in answer.reason and "secret" not in answer.reason
    assert "127.0.0.1" not in answer.reason
    assert len(server.requests) == 1


def test_no_path_or_address_of_this_machine_is_repeated(server, make, behaviours):
    server.otherwise = behaviours.status(400, f"{server.url} has /home/me/big only")
    (answer,) = act(make(model="/home/me/big"))
    assert answer == Failed("the endpoint answered 400: [url] has big only.")
    server.otherwise = behaviours.status(404)
    (answer,) = act(make(model="/home/me/big"))
    assert "'big'" in answer.reason and "/home" not in answer.reason


def test_a_failed_episode_leaves_the_others_alone(server, make, behaviours):
    def picky(handler, body):
        bad = body["messages"][1]["content"].endswith("o1")
        behaviours.status(400, "odd")(handler, body) if bad else behaviours.says("go")(
            handler, body
        )

    server.otherwise = picky
    answers = act(make(), 3)
    assert answers == ["go", Failed("the endpoint answered 400: odd."), "go"]


def test_a_failed_request_is_a_failed_episode_with_its_reason(server, make, behaviours):
    def picky(handler, body):
        # The corridors that are four rooms long, in their last room.
        first, last = body["messages"][1]["content"], body["messages"][-1]["content"]
        bad = "are 4 rooms" in first and "are 1 rooms" in last
        behave = behaviours.status(400, "odd") if bad else behaviours.says("right")
        behave(handler, body)

    server.otherwise = picky
    episodes = evaluate(TOY, agent=make(prompt="act"), split="test")
    reasons = {e.task_id[-4:]: e.error for e in episodes}
    assert [reasons[f"000{i}"] is None for i in range(5)] == [True, False, True, True, False]
    assert reasons["0001"] == "the endpoint answered 400: odd."
    assert [e.won for e in episodes] == [e.error is None for e in episodes]


@pytest.mark.parametrize("behaviour", ["drip", "stall"])
def test_the_deadline_holds_whatever_the_server_does(server, make, behaviour):
    server.otherwise = getattr(server, behaviour)
    (answer,) = act(make(deadline=0.3, timeout=5.0))
    assert answer == Failed("no answer within 0.3 s: no attempt came to an end.")


def test_a_pause_beyond_the_deadline_is_not_waited_for(server, make, behaviours):
    server.otherwise = behaviours.status(429, Retry_After="3600")
    began = time.monotonic()
    (answer,) = act(make(deadline=1000.0))
    assert answer == Failed("no answer within 1000 s: the endpoint answered 429: some words.")
    assert time.monotonic() - began < 500  # An hour or the deadline, were it waited for.


def test_nobody_there(make):
    (answer,) = act(make(base_url="http://127.0.0.1:9/v1", retries=1))
    assert answer.reason.startswith("no answer in 2 attempts: the endpoint cannot be reached")


@pytest.mark.parametrize(
    ("text", "action"),
    [(None, ""), ("", ""), ("I would rather not.", "I would rather not."), ("\udcff☃", "�☃")],
)
def test_an_answer_that_is_no_action_is_played_and_costs_the_step(
    server, make, behaviours, text, action
):
    server.otherwise = behaviours.says(text if text is None else text.replace("\udcff", "�"))
    (episode,) = evaluate(TOY, agent=make(), split="test", episodes=1, max_episode_steps=2)
    assert [s.action for s in episode.steps] == [action, action]
    assert {s.feedback for s in episode.steps} == {"malformed"} and episode.error is None


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -1, "completion_tokens": "many"}, {"prompt_tokens": 10**30}, "x", {}],
)
def test_senseless_counts_are_no_counts(server, make, behaviours, usage):
    server.otherwise = behaviours.says("go", usage)
    agent = make()
    assert act(agent) == ["go"]
    assert agent.usage() == [(0, 0)]


@pytest.fixture
def interruptible():
    """An interrupt is heard, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_waiting(server, make, interruptible):
    server.otherwise = server.stall
    agent = make()
    agent.reset([view()])
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        agent.act(["o"])


# ── before anything is played ───────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "Cannot make agent 'openai': the endpoint wants another key than that in"),
        (404, "Cannot make agent 'openai': the endpoint does not know the model 'tiny'"),
        (400, "Cannot make agent 'openai': the endpoint answered 400: some words."),
        (500, "Cannot make agent 'openai': no answer in 6 attempts: the endpoint answered 500"),
    ],
)
def test_a_wrong_setup_is_told_at_once(server, make, behaviours, code, words):
    server.otherwise = behaviours.status(code)
    with pytest.raises(BenchError) as error:
        make(check=True)
    assert str(error.value).startswith(words)


def test_the_check_asks_as_the_agent_will_and_leaves_nothing_running(server, make):
    threads = set(threading.enumerate())
    agent = make(check=True, top_p=0.5)
    ((_, _, body),) = server.requests
    assert (body["max_tokens"], body["top_p"], body["model"]) == (512, 0.5, "tiny")
    assert "llm" not in {thread.name for thread in set(threading.enumerate()) - threads}
    assert act(agent) == ["right"]


def test_a_missing_key_matters_only_to_a_server_that_wants_one(
    server, make, behaviours, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert act(make()) == ["right"]
    server.script = [behaviours.status(401)]
    (answer,) = act(make())
    assert answer == Failed("the endpoint wants a key in $OPENAI_API_KEY (401).")
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    act(make(key_variable="OTHER_KEY"))
    assert server.requests[-1][1]["authorization"] == "Bearer sk-other"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modle": "x"}, "did you mean 'model'?"),
        ({"base_url": "localhost:8000"}, "must begin with http:// or https://"),
        ({"retries": -1}, "Cannot make agent 'openai': retries must be at least 0, not -1."),
        ({"retries": 1.5}, "Cannot make agent 'openai': retries must be a whole number, not 1.5."),
        ({"concurrency": True}, "concurrency must be a whole number, not true."),
        ({"temperature": "hot"}, "temperature must be a number, not 'hot'."),
        ({"top_p": 1.5}, "must be between 0 and 1, not 1.5."),
        ({"check": 1}, "must be true or false, not 1."),
        ({"price_prompt": 1}, "price_prompt and price_generated go together."),
        ({"prompt": "reakt"}, "did you mean 'react'"),
        ({"shots": 1}, "shots and demonstrations go together"),
        ({"shots": 1, "demonstrations": "absent.jsonl"}, "Cannot read absent.jsonl"),
    ],
)
def test_a_wrong_option_is_one_sentence(make, options, words):
    with pytest.raises(BenchError) as error:
        make(**options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_the_model_has_to_be_named(toy_env):
    with pytest.raises(BenchError, match="give --model NAME"):
        resolve_agent("openai", toy_env)


def test_a_model_may_be_named_by_digits(server, make):
    act(make(model=7))
    assert server.requests[0][2]["model"] == "7"


def test_without_the_client_it_says_what_to_install(monkeypatch, toy_env):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingData, match=r"needs openai: pip install 'qevolve-bench\[llm\]'"):
        resolve_agent("openai", toy_env, {"model": "m"})


# ── what is recorded ────────────────────────────────────────────────────────


def test_the_description_is_json_without_key_and_host(server, make):
    agent = make(price_prompt=2, price_generated=10.0, history=3)
    assert isinstance(agent, Describes)
    text = json.dumps(agent.describe())
    assert "secret" not in text and "127.0.0.1" not in text
    described = json.loads(text)
    assert (described["model"], described["endpoint"], described["history"]) == ("tiny", "other", 3)
    assert described["prompt"]["name"] == "react" and len(described["prompt"]["digest"]) == 64
    assert cost(described, 1_000_000, 100_000) == 3.0
    assert make().describe().get("prices_per_million_tokens") is None
    assert cost(make().describe(), 5, 5) is None
    assert make(model="/home/me/models/big").describe()["model"] == "big"
    official = make(base_url=None).describe()
    assert official["endpoint"] == "api.openai.com"


def test_demonstrations_are_won_of_the_same_world_and_never_the_task_itself(
    server, make, tmp_path, toy_env
):
    from qevolve_envs.episode import write_episodes

    won = evaluate(TOY, agent="expert", split="test")
    lost = evaluate(TOY, agent="random", split="test", max_episode_steps=1)
    path = tmp_path / "demos.jsonl"
    write_episodes(path, [*lost, *won])
    task = won[0].task_id
    agent = make(shots=4, demonstrations=str(path))
    agent.reset([TaskView(TOY, task, "Reach the door.", 0, list)])
    agent.act(["o0"])
    messages = server.requests[0][2]["messages"]
    steps = sum(len(e.steps) for e in won if e.task_id != task)
    assert len(messages) == 1 + 2 * steps + 1
    assert {m["content"] for m in messages if m["role"] == "assistant"} == {"Action: right"}
    assert len(agent.describe()["demonstrations"]) == 64
    agent = make(shots=5, demonstrations=str(path))
    with pytest.raises(BenchError, match=f"4 won episodes of {TOY} that can go before {task}"):
        agent.reset([TaskView(TOY, task, "Reach the door.", 0, list)])
    with pytest.raises(BenchError, match="has 5 won episodes, but shots=6"):
        make(shots=6, demonstrations=str(path))
