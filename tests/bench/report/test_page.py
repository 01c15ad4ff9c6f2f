import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from importlib import import_module

import pytest
from report_world import episode, panel, tipping_result

from qevolve_bench.cli import build_parser
from qevolve_bench.report.episodes import pack
from qevolve_bench.report.inputs import read_inputs
from qevolve_bench.report.numbers import compute
from qevolve_bench.report.page import build
from qevolve_envs import rng
from qevolve_envs.episode import write_episodes

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'


class Reader(HTMLParser):
    """Elements, attributes and the text that is shown."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.ids, self.shown, self.open = [], [], [], []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        self.ids += [value for key, value in attributes if key == "id"]
        self.open.append(name)

    def handle_endtag(self, name):
        while self.open and self.open.pop() != name:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.shown.append(data)


def build_page(paths, **options):
    inputs = read_inputs([str(path) for path in paths])
    return build(compute(inputs), inputs, pack(inputs.methods), **options)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture
def everything(run_folder, training, tmp_path):
    """An input of every kind."""
    perturbed = [f"{name}:2" for name in ("typos", "rename", "dropout")]
    robust = {"unseen": [1] * 8} | {("unseen", p): [1] * 5 + [0] * 3 for p in perturbed}
    for seed in range(2):
        training("rft", seed)
    (tmp_path / "tipping.json").write_text(json.dumps(tipping_result(HOSTILE)))
    return [
        run_folder("expert", {"seen": [1] * 12, "unseen": [1, 1, None, 0, 1, 1]}),
        run_folder("random", {"seen": [0] * 12, "unseen": [0, 0, 1, 0, 0, 0]}),
        run_folder("robust", robust, agent="expert", suite="robustness"),
        tmp_path / "rft-*",
        tmp_path / "tipping.json",
    ]


def test_a_page_has_every_section_and_loads_nothing(everything):
    page = build_page(everything).page
    reader = read(page)
    links = [a["href"] for name, a in reader.elements if name == "a"]
    assert links[1:12] == [
        f"#{id_}"
        for id_ in (
            "summary", "leaderboard", "intervals", "compare", "profiles", "curves", "robustness",
            "tasks", "tipping", "episodes", "reproduce",
        )
    ]  # fmt: skip
    assert all(link.startswith("#") and link[1:] in reader.ids for link in links)
    assert len(reader.ids) == len(set(reader.ids))
    for name, attributes in reader.elements:
        assert name not in ("link", "img", "iframe", "object", "embed", "form", "base")
        assert not {"src", "style", "onclick", "onerror"} & attributes.keys()
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # A name space of the script, not a place.


def test_the_policy_allows_this_style_and_script_alone(everything):
    page = build_page(everything).page
    policy = next(
        a["content"]
        for name, a in read(page).elements
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        body = re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_every_figure_has_a_table_and_a_name(everything):
    report = build_page(everything)
    reader = read(report.page)
    figures = [a for name, a in reader.elements if name == "figure"]
    assert [a["id"] for a in figures] == [f"figure-{f.name}" for f in report.figures]
    assert len({figure.name for figure in report.figures}) == len(report.figures)
    kinds = {figure.name.split("-")[0] for figure in report.figures}
    assert kinds == {
        "forest", "aggregate", "profile", "curve", "radar", "retained", "tasks", "tipping",
    }  # fmt: skip
    assert all("<td" in figure.data and "<caption" in figure.data for figure in report.figures)
    pictures = [a for name, a in reader.elements if name == "svg"]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)


def test_the_same_inputs_give_the_same_bytes(everything):
    assert build_page(everything).page == build_page(everything).page


def test_no_number_is_missing_without_a_word(everything, run_folder, training):
    shown = " ".join(read(build_page(everything).page).shown)
    assert not re.search(r"\b([Nn]a[Nn]|inf|None)\b", shown)
    single = build_page([run_folder("one", {"unseen": [1]}), training("sft", 0, spec=False)])
    shown = " ".join(read(single.page).shown)
    assert not re.search(r"\b([Nn]a[Nn]|inf|None)\b", shown)
    for words in (
        "No two methods played the same cell",
        "sft is one training run, which has no band.",
        "sft is a single training run: its intervals are over tasks",
        "one played one task of Household unseen: one task has no profile.",
        "No input was played in perturbed worlds.",
        "There is no one to be ranked with",
        "has no spec.json",
    ):
        assert words.lower() in shown.lower(), words


def test_missing_curves_episodes_and_manifests_are_said(tmp_path, training):
    write_episodes(tmp_path / "a.jsonl", panel([1, 0], agent="me"))
    shown = " ".join(read(build_page([tmp_path / "a.jsonl"]).page).shown)
    assert "No input has a learning curve" in shown
    assert "without a manifest" in shown
    folder = training("rft", 0)
    (folder / "evaluation" / "unseen.jsonl").unlink()
    shown = " ".join(read(build_page([folder]).page).shown)
    assert "No input holds episodes" in shown


def test_functions_that_the_page_names_exist(everything):
    shown = " ".join(read(build_page(everything).page).shown)
    named = set(re.findall(r"\b(statistics|efficiency|robustness|tipping)\.(\w+)", shown))
    assert len(named) >= 7
    for module, name in named - {("tipping", "json")}:
        package = "qevolve_bench.analysis" if module == "robustness" else "qevolve_bench"
        if module == "tipping":
            import_module(f"qevolve_bench.tipping.{name}")
        else:
            assert callable(getattr(import_module(f"{package}.{module}"), name)), name
    (seeded,) = set(re.findall(r"(\w+)\(0, 'report'", shown))
    assert callable(getattr(rng, seeded))


def test_hostile_text_stays_text(tmp_path, everything):
    played = [
        episode(f"{HOSTILE}/{i}", bool(i % 2), agent=HOSTILE, text=HOSTILE, error=HOSTILE,
                split=HOSTILE)
        for i in range(4)
    ]  # fmt: skip
    played += [episode("\ud800\x00\u202e", True, agent=HOSTILE, split=HOSTILE)]
    write_episodes(tmp_path / "x.jsonl", played)
    page = build_page([*everything, tmp_path / "x.jsonl"], title=HOSTILE).page
    page.encode()
    reader = read(page)
    assert HOSTILE in "".join(reader.shown)
    # The page's own script is the last of them; the others hold data.
    scripts = [a for name, a in reader.elements if name == "script"]
    assert [a.get("type") for a in scripts[:-1]].count(None) == 0
    assert scripts[-1] == {}
    assert not any(name == "img" for name, _ in reader.elements)


def test_figures_are_quoted_in_words_too(everything):
    """Who has no eyes for a picture reads the numbers."""
    shown = " ".join(read(build_page(everything).page).shown)
    assert "expert beats random on Household seen by 100.0 [" in shown
    assert "expert retains" in shown
    assert "1 of 18" in shown


def test_runs_can_be_played_again(everything):
    shown = "\n".join(read(build_page(everything).page).shown)
    said = [line for line in shown.splitlines() if line.startswith("qevolve-bench ")]
    assert "qevolve-bench eval --agent expert --suite quick-v0 --out RUN" in said
    robust = next(line for line in said if line.startswith("qevolve-bench robustness"))
    assert "--perturbations typos:2 rename:2 dropout:2" in robust
    trained = next(line for line in said if line.startswith("qevolve-bench train rft"))
    assert "--env-arg size=small --set optim.lr=0.001" in trained
    # Each is a command that this release takes.
    parser = build_parser()
    for line in (line for line in said if "--out RUN" in line):
        assert callable(parser.parse_args(shlex.split(line)[1:]).run)


def test_names_of_one_slug_have_figures_of_their_own(run_folder):
    perturbed = [f"{name}:2" for name in ("typos", "rename", "dropout")]
    outcomes = {"unseen": [1] * 4} | {("unseen", p): [1, 0, 1, 1] for p in perturbed}
    folders = [run_folder(name, outcomes, suite="robustness") for name in ("a-b", "a+b")]
    report = build_page([f"{folder.name}={folder}" for folder in folders])
    names = [figure.name for figure in report.figures if figure.name.startswith("radar")]
    assert names == ["radar-a-b-household-unseen", "radar-a-b-household-unseen-2"]
    reader = read(report.page)
    assert len(reader.ids) == len(set(reader.ids))


def test_tipping_results_alone_make_a_page(tmp_path):
    (tmp_path / "tipping.json").write_text(json.dumps(tipping_result()))
    shown = " ".join(read(build_page([tmp_path / "tipping.json"]).page).shown)
    assert "me on w_v0" in shown


def test_a_manifest_that_says_little_is_taken_as_it_is(run_folder):
    folder = run_folder("a", {"unseen": [1, 0]})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["agent"] = {"name": "a"}
    manifest["provenance"] = {"git": {"package": {"revision": 3}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    shown = " ".join(read(build_page([folder]).page).shown)
    assert "The manifest names no versions." in shown


def test_a_pair_without_a_difference_is_told_as_such(run_folder):
    same = {"seen": [1, 0, 1, 1], "unseen": [0, 1, 1, 0]}
    page = build_page([run_folder("a", same), run_folder("b", same)]).page
    shown = " ".join(read(page).shown)
    assert "No difference is shown between a and b on either cell (Holm over 2)." in shown


def test_episodes_that_failed_are_told_among_the_conclusions(run_folder):
    cells = {"unseen": [0, 0, None, None]}
    page = build_page([run_folder("q", {"unseen": [0] * 4}), run_folder("crash", cells)]).page
    shown = " ".join(read(page).shown)
    told = "2 of 4 episodes of crash failed by an error, the first: crashed."
    assert told in shown.partition("What the data show")[2]
