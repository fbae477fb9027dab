"""Run folders, and the verbs that work in them."""
