"""System: files, locks, errors, processes. Knows nothing of MRI."""
