"""Held-out loss at fixed maskings, whatever the recipe."""
