"""One module a service: how a message is put for it, and how it answers."""
