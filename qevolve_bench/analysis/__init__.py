"""From outcomes to estimates, comparisons, ranks, and tables."""
