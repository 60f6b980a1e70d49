"""Records: what one run scored on one benchmark, with everything needed to repeat it."""
