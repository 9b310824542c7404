"""Exporters: from the topics to where people look."""
