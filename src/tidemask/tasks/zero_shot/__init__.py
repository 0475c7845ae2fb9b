"""Scores without fine-tuning: pseudo-log-likelihood, minimal pairs, masks to fill."""
