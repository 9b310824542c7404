"""Counters: groups, kinds of meters, sums."""
