"""Plenary protocols of the German Bundestag: file formats, and text sources built from them."""
