"""Environments of qevolve-bench (layer 1): gymnasium, pettingzoo and numpy; never torch."""
