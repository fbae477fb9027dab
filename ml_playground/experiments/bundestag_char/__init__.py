"""German plenary debates: the user's own text, or an embedded sample."""
