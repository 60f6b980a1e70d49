"""Parts of segmentation: cases, decoder, training."""
