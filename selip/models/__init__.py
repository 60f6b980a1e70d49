"""Models: towers, the dual encoder, and the embeddings that are scored."""
