"""HTTP: the server, and who is calling."""
