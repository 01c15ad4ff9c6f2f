"""The learners, one file each; Q-Evolve is a folder of its steps."""
