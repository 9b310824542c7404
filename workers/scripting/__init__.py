"""Scripts: found, loaded, called, watched, loaded again, and what they speak to."""
