"""Self-imitation: SIL and SPEAR on one replay buffer."""
