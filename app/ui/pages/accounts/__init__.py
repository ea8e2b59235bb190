"""Accounts: who posts where, and the guided connection of another."""
