"""Packets: where they come from and what their headers say."""
