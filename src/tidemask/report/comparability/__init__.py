"""Whether runs can be compared: what differs beside the masking, and what is missing."""
