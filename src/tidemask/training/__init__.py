"""Pre-training on the Trainer: masking at the step, class losses fed back, exact resume."""
