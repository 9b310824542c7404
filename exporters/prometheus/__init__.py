"""Prometheus: the newest values of chosen counters, to be scraped."""
