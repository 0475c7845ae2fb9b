"""The charts of a comparison, and how they are drawn."""
