"""Terminal output: console, progress bars, tables, and standard streams that never raise."""
