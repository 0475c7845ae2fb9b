"""Whether runs are on equal terms, in sentences."""
