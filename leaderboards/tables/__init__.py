"""Tables: the cells, sentences and columns that a reader sees."""
