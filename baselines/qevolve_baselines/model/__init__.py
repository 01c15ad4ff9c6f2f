"""The policy as a network: models, decoding, forward passes, value heads, tokenizers, adapters."""
