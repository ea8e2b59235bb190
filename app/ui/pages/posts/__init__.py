"""Posts: everything with its state, and for each post what was tried and what came of it."""
