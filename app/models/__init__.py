"""Models: what is known, what is installed, and the engine process that runs them."""
