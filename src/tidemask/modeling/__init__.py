"""Masked language models: built or loaded, and run with their head at the selected positions."""
