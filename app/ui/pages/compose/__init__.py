"""Compose: a brief on the left, its variants in the middle, the chosen one in an editor beside its preview."""
