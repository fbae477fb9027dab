from __future__ import annotations

from tests.unit.text.conftest import tiny_encodings

__all__ = ["tiny_encodings"]
