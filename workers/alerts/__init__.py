"""Alerts: from what checks assert in each run to what people are told, and how every condition stands."""
