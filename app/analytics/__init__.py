"""Results: when publications are measured, what the platforms answer, and totals over periods."""
