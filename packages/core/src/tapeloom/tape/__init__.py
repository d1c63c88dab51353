"""How operations are walked back: plans, the walk, transfers, functions of the user's own."""
