"""The commands of `qevolve-bench`; a new one is a module here and a place in `COMMANDS`."""

from __future__ import annotations

from types import ModuleType

from qevolve_bench.commands import advantages as advantages_command
from qevolve_bench.commands import compare as compare_command
from qevolve_bench.commands import demo as demo_command
from qevolve_bench.commands import eval as eval_command
from qevolve_bench.commands import export_alfworld
from qevolve_bench.commands import leaderboard as leaderboard_command
from qevolve_bench.commands import list as list_command
from qevolve_bench.commands import play as play_command
from qevolve_bench.commands import probe as probe_command
from qevolve_bench.commands import report as report_command
from qevolve_bench.commands import robustness as robustness_command
from qevolve_bench.commands import run as run_command
from qevolve_bench.commands import suites as suites_command
from qevolve_bench.commands import tip as tip_command
from qevolve_bench.commands import train as train_command
from qevolve_bench.commands import verify as verify_command

#: In the order in which the help shows them.
COMMANDS: tuple[ModuleType, ...] = (
    list_command,
    play_command,
    eval_command,
    compare_command,
    report_command,
    robustness_command,
    tip_command,
    suites_command,
    train_command,
    advantages_command,
    probe_command,
    run_command,
    demo_command,
    verify_command,
    leaderboard_command,
    export_alfworld,
)
