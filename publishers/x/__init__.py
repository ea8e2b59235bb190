"""X (formerly Twitter): posts and threads over API v2."""
