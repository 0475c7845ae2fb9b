"""Columns of a prepared corpus: what is known of its tokens, from sources of many kinds."""
