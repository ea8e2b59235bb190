"""Calendar: the week as a grid of hours, and the approved posts that wait for a time."""
