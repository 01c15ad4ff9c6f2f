"""Household environments: the tw-pddl engine, generated games, and the official ALFWorld games."""
