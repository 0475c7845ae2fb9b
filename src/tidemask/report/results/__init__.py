"""What a comparison knows of its runs, read from their directories."""
