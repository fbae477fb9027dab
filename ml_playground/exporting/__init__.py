"""What other programs read: adapters and merged models."""
