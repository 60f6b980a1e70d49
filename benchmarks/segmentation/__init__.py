"""Parts of segmentation: cases, decoder, its instance norm, training."""
