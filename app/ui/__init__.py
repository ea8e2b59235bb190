"""The window: the only place that imports Qt. It asks the services through queries and commands, and draws."""
