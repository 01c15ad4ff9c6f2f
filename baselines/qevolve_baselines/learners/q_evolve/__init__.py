"""Q-Evolve: labels, critic, and policy update; `learner` puts them together."""
