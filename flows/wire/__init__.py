"""Wire format: lines of JSON in, columns out, and a reason for every line that does not become a row."""
