"""Syslog: lines from the network or a file into records."""
