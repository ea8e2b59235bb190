"""Files that go with posts: what they are, and where they are kept."""
