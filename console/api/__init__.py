"""The REST API: behind every page the same answer as JSON."""
