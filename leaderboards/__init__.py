"""Leaderboards: tables, figures and one page, a pure function of records. Nothing here imports torch."""
