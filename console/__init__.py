"""The console: the network, its alerts and the system in a browser, on the records and stores that exist already."""
