"""The demo capture that ships with Tapline, and the tool that records it."""

from pathlib import Path

DEMO_CAPTURE: Path = Path(__file__).with_name("demo.pcap")
"""The committed capture: classic pcap, Ethernet, under 3 MB; README.md beside it says what is in it."""
