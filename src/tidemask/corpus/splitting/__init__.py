"""Which split each document is in, and which documents are copies of others."""
