"""Repositories: rows in, frozen words out. Each works inside the unit of work that made it."""
