"""Scripts that ship: samples to read, copy and run."""
