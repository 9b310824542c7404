"""The engine ``nfstream``: flows, with the applications nDPI sees in them."""
