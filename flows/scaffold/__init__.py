"""A new detector's package, written from `template/`: what `driftnet detectors new` gives an author to start from."""
