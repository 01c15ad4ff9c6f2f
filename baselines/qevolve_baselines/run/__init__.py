"""One training run: ledger, budget, resume, cache, configuration, several processes."""
