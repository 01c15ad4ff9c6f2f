"""In-weights drift: learners train on what paid, round after round, while the audits change.

`plan` reads and checks a study, `run` plays one learner and seed, `study` plays all of them (in
processes, resumable), `table` says what came of it.
"""
