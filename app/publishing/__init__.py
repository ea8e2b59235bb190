"""Publishing: posts, their times, and the outbox that sends each of them exactly once."""
