"""How bytes and rows come and go."""
