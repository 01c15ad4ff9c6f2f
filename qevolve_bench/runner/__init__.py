"""Plays suites in processes of their own: with limits, crash-proof, on disk and resumable."""
