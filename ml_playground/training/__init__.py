"""The trainer and what it keeps."""
