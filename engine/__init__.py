"""The local model engine: a child process that serves the OpenAI-compatible API on loopback."""
