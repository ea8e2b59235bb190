"""The alarm clock: rings when something is due, and every half minute whatever happens."""
