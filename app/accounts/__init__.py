"""Accounts: connecting, staying signed in, and the Context an adapter works with."""
