"""Reports: findings out of texts and masks, and the words for places and signals."""
