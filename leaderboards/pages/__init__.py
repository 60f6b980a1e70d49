"""Pages: the parts of a leaderboard, one a family of benchmarks."""
