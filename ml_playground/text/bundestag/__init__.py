"""Plenary protocols of the German Bundestag, read from the formats that they are published in."""
