"""Studies: many runs that answer one question: which policy, by how much, how sure."""
