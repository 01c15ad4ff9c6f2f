"""Alignment tipping: whether, when and how sharply agents begin to violate, and whether they stop.

All metrics are computed from traces of `qevolve_envs.tipping.truth.Truth`, which worlds write
outside of every prompt.

===================  ============================================================================
`analyse`, `arm`     traces of an arm and its controls -> one result; the layout of results
`tipping_text`       results as tables
`shifts`             traces as columns: one row for each agent and round
`resample`           the cluster bootstrap that gives every figure its interval
`figures`            all figures from sums over clusters
`rates`              violation rates over opportunities
`tipping_round`, `survival`, `units`   when the curve tips, and when each episode or run does
`sharpness`          a step against a line
`hysteresis`         area, hysteresis, residual, half-life of the recovery
`diffusion`          how many follow each violator that they have seen
`conditional`        violation after one that paid, after one that did not
`front`              task success against honesty; work left undone
`play`, `stages`, `session`, `testbeds`   an agent plays a world through phases and controls
`weights`            learners train in it, round after round
===================  ============================================================================
"""
