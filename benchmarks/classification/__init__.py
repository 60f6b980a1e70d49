"""Parts of classification: labels, probes, predictions."""
