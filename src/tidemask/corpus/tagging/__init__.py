"""Parts of speech of words, and their alignment with tokens."""
