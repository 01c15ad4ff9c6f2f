"""A small server that speaks the protocol of chat completions, and misbehaves on request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

#: Answers one request; the second argument is its parsed body.
Behaviour = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: ChatServer = self.server.chat  # type: ignore[attr-defined]
        with server.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.path, headers, body))
            behave = server.script.pop(0) if server.script else server.otherwise
        behave(self, body)

    def reply(self, status: int, content: object, **headers: str) -> None:
        raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


def completion(text: object, usage: object = None) -> dict[str, Any]:
    if usage is None:
        usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }


def says(text: object, usage: object = None) -> Behaviour:
    return lambda handler, body: handler.reply(200, completion(text, usage))


def status(code: int, error: object = "some words", **headers: str) -> Behaviour:
    content = {"error": {"message": error}} if isinstance(error, str) else {"error": error}
    return lambda handler, body: handler.reply(code, content, **headers)


def sends(content: object, **headers: str) -> Behaviour:
    return lambda handler, body: handler.reply(200, content, **headers)


class ChatServer:
    """Plays the behaviours of `script`, one a request, and then `otherwise`.

    Attributes:
        requests: (path, headers, body) of each request.
        released: Ends those behaviours that keep a client waiting.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.script: list[Behaviour] = []
        self.otherwise: Behaviour = says("Thought: the door.\nAction: right")
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.chat = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    # ── misbehaviour ────────────────────────────────────────────────────────

    def drop(self, handler: Handler, body: object) -> None:
        handler.hang_up()

    def drop_halfway(self, handler: Handler, body: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(b'{"id": "c1", "choices": [')
        handler.wfile.flush()
        handler.hang_up()

    def stall(self, handler: Handler, body: object) -> None:
        self.released.wait(30)
        handler.hang_up()

    def drip(self, handler: Handler, body: object) -> None:
        """Always a byte more, so that no single wait is ever long."""
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        while not self.released.wait(0.02):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return
        handler.hang_up()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    made = ChatServer()
    yield made
    made.close()


@pytest.fixture
def behaviours() -> Any:
    """The functions above, which test modules cannot import."""

    class Behaviours:
        pass

    for function in (says, status, sends, completion):
        setattr(Behaviours, function.__name__, staticmethod(function))
    return Behaviours


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a folder with a byte-level Llama of two layers, random but always the same."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    def make(name: str, chat_template: str | None = None, positions: int = 2048) -> str:
        text = Tokenizer(models.BPE())
        text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        text.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        text.train_from_iterator(["go to the door", "Thought: right\nAction: right"], trainer)
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=text, bos_token="<s>", eos_token="</s>"
        )
        tokenizer.chat_template = chat_template
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=positions,
            bos_token_id=0,
            eos_token_id=1,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = transformers.LlamaForCausalLM(config)
        folder = tmp_path_factory.mktemp("models") / name
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
        return str(folder)

    return make
