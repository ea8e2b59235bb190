"""Drafting: a brief becomes variants for its channels, written by a model, fitted to each channel."""
