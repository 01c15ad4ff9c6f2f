"""Opens a report in the system's chromium, as its reader does."""

from __future__ import annotations

import shutil

import pytest
from report_world import episode, panel

from qevolve_bench.report.episodes import CHUNK, pack
from qevolve_bench.report.inputs import read_inputs
from qevolve_bench.report.numbers import compute
from qevolve_bench.report.page import build
from qevolve_envs.episode import write_episodes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = '</script><script>document.title = "broken"</script><img src=x onerror="alert(1)">'

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests of the module."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens a file; every message of the console and every request fails the test at its end."""
    troubles, contexts = [], []

    def opens(path, *, hash_="", width=1280, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        context.set_default_timeout(120_000)  # A busy machine is no failure.
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        address = path.as_uri()
        page.on(
            "request",
            lambda r: None if r.url.partition("#")[0] == address else troubles.append(r.url),
        )
        page.goto(address + hash_)
        return page

    yield opens
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def report(run_folder, training, tmp_path):
    """A page of agents, a learner, and an agent whose text is hostile."""
    won = [1] * 6 + [0] * 5 + [None]
    write_episodes(
        tmp_path / "odd.jsonl",
        [episode(f"task/{i:04d}", True, agent="odd", text=HOSTILE, tokens=7) for i in range(12)],
    )
    for seed in range(2):
        training("rft", seed)
    paths = [
        run_folder("good", {"unseen": won}),
        run_folder("poor", {"unseen": [0] * 12}),
        tmp_path / "odd.jsonl",
        tmp_path / "rft-*",
    ]
    inputs = read_inputs([str(path) for path in paths])
    file = tmp_path / "report.html"
    file.write_text(build(compute(inputs), inputs, pack(inputs.methods)).page)
    return file


def where(page):
    return page.text_content("#where")


def listed(page):
    return page.locator("#list button")


def wait_for(page, text):
    page.wait_for_function("t => document.getElementById('where').textContent === t", arg=text)


def test_an_episode_is_stepped_through_with_buttons_and_keys(open_page, report):
    page = open_page(report)
    wait_for(page, "step 1 of 3")
    assert page.text_content("#task") == "task/0000"
    assert page.text_content("#goal") == "Do task/0000."
    assert page.text_content("#saw") == "You look. task/0000"
    assert page.text_content("#did") == "do 0"
    assert page.text_content("#answer") == "You look. task/0000 0"
    page.click("#forth")
    assert (where(page), page.text_content("#feedback")) == ("step 2 of 3", "unchanged")
    assert page.text_content("#saw") == "You look. task/0000 0"
    page.keyboard.press("ArrowRight")
    assert (where(page), page.text_content("#reward")) == ("step 3 of 3", "1")
    assert page.text_content("#score") == "100 %"
    assert page.get_attribute("#forth", "aria-disabled") == "true"
    assert page.evaluate("document.activeElement.id") == "forth"
    page.keyboard.press("Home")
    assert where(page) == "step 0 of 3"
    assert page.locator("#turn").is_hidden()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert where(page) == "step 2 of 3"
    assert page.evaluate("location.hash") == "#e0.2"
    page.focus("#forth")
    page.keyboard.press("n")
    page.wait_for_function("document.getElementById('task').textContent === 'task/0001'")
    page.click("#earlier")
    page.wait_for_function("document.getElementById('task').textContent === 'task/0000'")


def test_episodes_are_filtered(open_page, report):
    page = open_page(report)
    # 36 of the agents, and 8 of the last evaluation of each of the two seeds.
    assert page.text_content("#count") == "52 of 52 episodes, 52 listed"
    page.select_option("#by-method", label="good")
    page.select_option("#by-state", label="failed")
    assert listed(page).count() == 1
    assert "failed" in listed(page).first.text_content()
    listed(page).first.click()
    page.wait_for_function("document.getElementById('task').textContent === 'task/0011'")
    assert page.text_content("#error") == "Failed: crashed"
    page.select_option("#by-state", label="won")
    assert listed(page).count() == 6
    page.fill("#by-text", "0003")
    assert listed(page).count() == 1
    page.fill("#by-text", "nothing like it")
    assert page.text_content("#count") == "No episode is like that."


def test_an_address_opens_its_episode_and_step(open_page, report):
    page = open_page(report, hash_="#e7.2")
    wait_for(page, "step 2 of 3")
    assert page.text_content("#task") == "task/0007"
    page.evaluate("location.hash = '#e9'")
    page.wait_for_function("document.getElementById('task').textContent === 'task/0009'")
    page.evaluate("location.hash = '#e999'")
    page.wait_for_function(
        "document.getElementById('state').textContent.includes('no episode 999')"
    )


def test_a_tile_opens_its_episode(open_page, report):
    page = open_page(report)
    page.locator("path[data-ep='13']").first.click()
    page.wait_for_function("location.hash.startsWith('#e13')")
    assert page.text_content("#task") == "task/0001"
    assert "poor" in page.text_content("#badges")
    assert page.evaluate("document.activeElement.id") == "viewer"


def test_hostile_text_is_shown_and_not_run(open_page, report):
    page = open_page(report)
    page.select_option("#by-method", label="odd")
    listed(page).first.click()
    page.wait_for_function("document.getElementById('badges').textContent.includes('odd')")
    assert page.text_content("#saw") == f"{HOSTILE} task/0000"
    assert page.text_content("#tokens") == "7 read, 7 written"
    assert page.title() == "qevolve-bench report"
    assert page.locator("img").count() == 0


def test_curves_are_drawn_along_the_axis_that_is_chosen(open_page, report):
    page = open_page(report)
    shown = "figure[data-axis]:not([hidden])"
    assert page.locator(shown).get_attribute("data-axis") == "env_steps"
    page.select_option("#axis", "trained_tokens")
    assert page.locator(shown).get_attribute("data-axis") == "trained_tokens"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_in_either_theme(open_page, report, scheme):
    page = open_page(report, width=360, scheme=scheme)
    wait_for(page, "step 1 of 3")
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark, light = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
    assert page.evaluate(paper) == (dark if scheme == "dark" else light)
    page.click("#theme")
    assert (page.text_content("#theme"), page.evaluate(paper)) == ("☀ Light", light)
    page.click("#theme")
    assert (page.text_content("#theme"), page.evaluate(paper)) == ("☾ Dark", dark)


def test_the_keyboard_reaches_everything_in_order(open_page, report):
    page = open_page(report)
    wait_for(page, "step 1 of 3")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the summary"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "summary"
    unnamed = """[...document.querySelectorAll('button, select, input, summary, a[href]')]
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label')
                       || (e.labels && e.labels.length)))
        .map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []


def test_an_old_browser_is_told_what_it_lacks(chromium, report):
    context = chromium.new_context()
    context.add_init_script("delete window.DecompressionStream")
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_function("document.getElementById('state').textContent !== ''")
    assert "lacks DecompressionStream" in page.text_content("#state")
    assert listed(page).count() == 52
    context.close()


def test_thousands_of_episodes_are_listed_page_by_page(open_page, tmp_path):
    won = [1, 0] * (2 * CHUNK)
    write_episodes(tmp_path / "many.jsonl", panel(won, agent="many"))
    inputs = read_inputs([str(tmp_path / "many.jsonl")])
    file = tmp_path / "many.html"
    file.write_text(build(compute(inputs), inputs, pack(inputs.methods)).page)
    page = open_page(file, hash_=f"#e{len(won) - 1}")
    page.wait_for_function("document.getElementById('task').textContent === 'task/0999'")
    assert listed(page).count() == 100
    page.click("#more")
    assert listed(page).count() == 200
