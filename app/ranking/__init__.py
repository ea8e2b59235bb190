"""Ranking: which models, prompts and posts do better than the account's own usual (docs/ranking.md)."""
