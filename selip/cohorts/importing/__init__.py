"""Importing: studies on disk, as public sets and users have them, to a cohort."""
