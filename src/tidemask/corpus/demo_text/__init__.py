"""English prose that every installation carries."""
