"""Co-action: which accounts coincide on objects, one operator per key group of objects."""
