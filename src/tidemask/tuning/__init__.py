"""The search for a masking policy: what is tried, for how long, and what the evidence says."""
