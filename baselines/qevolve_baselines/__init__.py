"""Learners of qevolve-bench (layer 2). Nothing lives here yet: see CHANGELOG.md for what has landed."""
