"""Alignment tipping: whether, when and how sharply agents begin to violate, and whether they stop.

All metrics are computed from traces of `qevolve_envs.tipping.truth.Truth`, which worlds write
outside of every prompt.

===================  ============================================================================
`session`            an agent plays a world through phases and controls (`testbeds`, `play`)
`analyse`            traces of an arm and its controls -> one result; the layout of results
`document`, `text`   the check of a result that is read; results as tables
`metrics`            all figures of an arm, from sums over clusters
`shifts`             traces as columns: one row for each agent and round
`bootstrap`          the cluster bootstrap that gives every figure its interval
`rates`              violation by round and phase, hysteresis, recovery; work left undone
`tipping_point`      the round at which the curve tips, and a step against a line
`survival`           tipping rounds of single episodes or runs
`diffusion`          new violators for each violator that was seen
===================  ============================================================================

Learners train in these worlds, round after round, in `qevolve_bench.study.rounds`.
"""
