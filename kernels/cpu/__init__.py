"""The CPU engine's kernels: a small C library without dependencies, loaded through ctypes."""
