"""Episodes as training data: transcripts, batches, and the replay buffer."""
