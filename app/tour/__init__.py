"""The main job once, for real, so that a newcomer (or a script) can see that it works."""
