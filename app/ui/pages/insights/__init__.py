"""Insights: what a period brought beside the one before, and which models and prompts it speaks for."""
