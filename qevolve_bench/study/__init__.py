"""Studies: learners x seeds from shared warm starts, tuned on equal budgets, and their table.

`plan` reads and checks a study, `runner` plays it (in processes, resumable), `table` says what came
of it.
"""
