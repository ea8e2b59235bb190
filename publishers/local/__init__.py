"""The local folder: posts as files, a page each, an Atom feed. The channel that needs no account."""
