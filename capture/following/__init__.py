"""Files that another program goes on writing to, read as they grow: each line once, over rotations and restarts."""
