"""Paired steering experiments: the same seed with and without an edit, and with a random one of the same size."""
