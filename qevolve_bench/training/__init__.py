"""Training runs in resumable folders, and trained policies as agents."""
