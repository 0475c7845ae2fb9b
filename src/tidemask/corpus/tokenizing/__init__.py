"""Tokenizers, and where words begin."""
