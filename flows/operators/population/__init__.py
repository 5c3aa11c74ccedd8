"""The population stage: one operator per cohort."""
