"""The prepared corpus on disk: rows, shards, manifest."""
