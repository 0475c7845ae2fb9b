"""From settings to a trained run: configuration, starting model, training, its own measurements."""
