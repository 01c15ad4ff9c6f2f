"""Learners of qevolve-bench (layer 2); CHANGELOG.md says which have landed."""
