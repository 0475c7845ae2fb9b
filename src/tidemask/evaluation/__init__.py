"""What a trained model is worth: held-out loss, whatever the recipe."""
