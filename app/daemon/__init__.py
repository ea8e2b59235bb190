"""The scheduler: publishes what is due and measures what was published, in a window or on its own."""
