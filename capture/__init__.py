"""Capture nodes: read packets, make records, publish batches and mark windows."""
