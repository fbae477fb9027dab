"""Sources of text, and tokenizers."""
