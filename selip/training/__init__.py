"""Training: one trainer for every method, from the batch plan to the checkpoint."""
