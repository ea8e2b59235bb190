"""Settings of this machine, saved as they are changed."""
