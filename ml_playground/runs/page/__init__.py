"""The page of a comparison: one file of HTML with its own script, which loads nothing."""
