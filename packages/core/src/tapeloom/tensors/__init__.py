"""What a Tensor is: a handle on an array, its kind, its node on the tape, its relations to other handles."""
