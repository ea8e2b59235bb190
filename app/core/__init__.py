"""Words, errors, time and paths that everything in the app shares."""
