"""Statistics: from per-item scores to intervals, differences and ranks."""
