"""Compute kernels behind named ops, each with a plain reference of the same signature."""
