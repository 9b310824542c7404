"""Suricata's events (EVE JSON) into records."""
