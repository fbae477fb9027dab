"""Who starts the workers of a sweep, one file each."""
