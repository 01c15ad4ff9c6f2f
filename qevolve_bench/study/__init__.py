"""Studies: learners x worlds x seeds from shared warm starts, and their tables.

A plan (`reader`, `plan`) is played by the `engine`, in processes and resumable. An arm is a
training run, tuned on an equal budget, or `rounds` of training and measurement of violations.
`table` and `tipping_table` compute the results; `diagnostics` looks into the runs.
"""
