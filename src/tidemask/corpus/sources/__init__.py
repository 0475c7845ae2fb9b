"""Where text comes from: files, documents, duplicates, the held-out split."""
