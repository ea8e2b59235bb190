"""Quarry, the app: the same services behind a window, a command line and a daemon."""
