"""What counts as unusual: features, detectors, calibration, drift, alerts. Knows no engine."""
