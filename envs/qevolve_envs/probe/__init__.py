"""Probes: worlds with one dial each, whose best policy and whose improvements are known exactly."""
