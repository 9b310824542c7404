"""Running checks."""
