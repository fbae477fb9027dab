"""What people see: the console, progress bars, tables, and streams that cannot fail a run."""
