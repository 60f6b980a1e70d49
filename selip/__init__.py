"""SeLIP-bench: language-image pretraining on head MRI, trained and scored on identical splits."""

__version__ = "0.1.0"
