"""From data of one's own to configs, and from these to a trained model."""
