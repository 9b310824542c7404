"""Sockets that sources listen on."""
