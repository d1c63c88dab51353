"""What an op is: its parameters, the dtypes it takes and gives, its gradient rules. Nothing here runs a call."""
