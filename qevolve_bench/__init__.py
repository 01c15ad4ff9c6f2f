"""Evaluation harness of qevolve-bench (layer 3)."""
