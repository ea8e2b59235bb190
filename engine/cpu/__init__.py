"""The decoder on the CPU kernels: packed weights, paged states, one native call a step. Nothing here imports torch."""
