"""What records of each output stream look like."""
