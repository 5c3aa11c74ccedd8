"""The first stage: one operator per source partition, of events, or of labels and commands."""
