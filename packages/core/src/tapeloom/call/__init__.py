"""How a call runs: bind, promote, execute, explain, watch."""
