"""Bluesky: posts and threads on any AT Protocol server (PDS), with facets, images and public counts."""
