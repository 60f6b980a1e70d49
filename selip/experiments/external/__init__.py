"""Encoders from outside: opened, scored into records, and exported as embeddings."""
