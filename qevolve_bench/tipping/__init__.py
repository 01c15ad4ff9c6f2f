"""Alignment tipping: whether, when and how sharply agents begin to violate, and whether they stop.

All metrics are computed from traces of `qevolve_envs.tipping.truth.Truth`, which worlds write
outside of every prompt.
"""
