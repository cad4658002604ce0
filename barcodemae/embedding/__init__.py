"""Embedding in bulk: to a file, to shards for many processes, at a lower precision."""
