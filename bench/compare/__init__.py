"""Two commits on one machine: the same cases in turns, so that both meet the same weather."""
