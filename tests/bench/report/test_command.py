import pytest

from qevolve_bench.cli import main
from qevolve_bench.report import files


@pytest.fixture
def runs(run_folder):
    return [
        str(run_folder("good", {"unseen": [1, 1, 0, 1]})),
        str(run_folder("poor", {"unseen": [0, 1, 0, 0]})),
    ]


def test_a_page_is_written_and_never_over_another(runs, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", *runs, "-o", str(out)]) == 0
    first = out.read_bytes()
    assert first.startswith(b"<!DOCTYPE html>")
    assert "8 episodes" in capsys.readouterr().out
    assert main(["report", *runs, "-o", str(out), "--title", "Other"]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_bytes() == first
    assert main(["report", *runs, "-o", str(out), "--title", "Other", "--force"]) == 0
    assert b"<title>Other</title>" in out.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good", "poor", "report.html"]


def test_options_reach_the_page_and_are_repeated_in_it(runs, tmp_path):
    out = tmp_path / "r.html"
    options = ["--outcome", "score", "--level", "0.9", "--baseline", "poor", "--episodes", "1"]
    assert main(["report", *runs, "-o", str(out), *options]) == 0
    page = out.read_text()
    # In the order of the command's own help.
    repeated = "--outcome score --baseline poor --level 0.9 --episodes 1"
    assert repeated in page
    assert "hold 90% intervals" in page
    assert "6 episodes are left out by --episodes" in page


def test_figures_are_written(runs, tmp_path, capsys, monkeypatch):
    out, figures = tmp_path / "r.html", tmp_path / "figures"
    monkeypatch.setattr(files, "png_available", lambda: False)
    assert main(["report", *runs, "-o", str(out), "--figures", str(figures)]) == 0
    assert "qevolve-bench[report]" in capsys.readouterr().err
    names = sorted(path.name for path in figures.iterdir())
    assert "forest-household-unseen.svg" in names
    assert {name.rpartition(".")[2] for name in names} == {"svg"}
    again = ["report", *runs, "-o", str(tmp_path / "s.html"), "--figures", str(figures)]
    assert main(again) == 2
    assert "not empty" in capsys.readouterr().err
    assert not (tmp_path / "s.html").exists()


def test_figures_are_written_as_png_where_matplotlib_is(runs, tmp_path):
    pytest.importorskip("matplotlib")
    out, figures = tmp_path / "r.html", tmp_path / "figures"
    assert main(["report", *runs, "-o", str(out), "--figures", str(figures)]) == 0
    picture = (figures / "profile-household-unseen.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    # Width and height of the file: three times those of the drawing, which the key has made taller.
    width, height = (int.from_bytes(picture[i : i + 4], "big") for i in (16, 20))
    assert width == 3 * 352
    assert height > 3 * 240
    svgs = {path.stem for path in figures.glob("*.svg")}
    assert svgs == {path.stem for path in figures.glob("*.png")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere"], "There is no /nowhere"),
        (["{good}", "-o", "{tmp}"], "is a folder"),
        (["{good}", "-o", "{tmp}/no/r.html"], "There is no folder"),
        (["{good}", "-o", "{tmp}/r.html", "--figures", "{good}/manifest.json"], "is a file"),
        (["{good}", "-o", "{tmp}/r.html", "--at", "steps=3"], "steps"),
        (["{good}", "-o", "{tmp}/r.html", "--level", "2"], "between 0 and 1"),
        (["{good}", "-o", "{tmp}/r.html", "--baseline", "x"], "'x'"),
        (["{tmp}", "-o", "{tmp}/r.html"], "did you mean"),
    ],
)
def test_mistakes_are_one_sentence(runs, tmp_path, capsys, arguments, said):
    filled = [a.format(good=runs[0], tmp=tmp_path) for a in arguments]
    assert main(["report", *filled]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_damaged_episodes_are_told_with_their_line(runs, tmp_path, capsys):
    file = next((tmp_path / "good" / "episodes").glob("*.jsonl"))
    file.write_text(file.read_text()[:-30])
    assert main(["report", *runs, "-o", str(tmp_path / "r.html")]) == 2
    assert "line 4" in capsys.readouterr().err
