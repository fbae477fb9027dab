"""Run folders, and the commands that operate on them."""
