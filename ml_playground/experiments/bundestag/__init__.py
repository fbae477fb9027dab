"""Plenary protocols of the German Bundestag: their formats, and the sources made of them."""
