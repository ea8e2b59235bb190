"""Models: what drafts on this computer, and what could."""
