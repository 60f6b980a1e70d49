"""Parts of retrieval: candidates, ranks, relevance, hard negatives."""
