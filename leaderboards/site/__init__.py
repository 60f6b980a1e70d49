"""The site: one self-contained HTML page of a leaderboard."""
