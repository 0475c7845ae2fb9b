"""What can be measured of a model: with fine-tuning, without, and on held-out text."""
