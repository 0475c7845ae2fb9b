"""A look at a prepared corpus: what it holds, where it is from, and what its rows say."""
