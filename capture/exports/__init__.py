"""What sources of exported flows have in common: datagrams from a socket or a capture file, their windows and sums."""
