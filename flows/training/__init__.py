"""Training sets: window rows with their features, and what was found out about them afterwards."""

from flows.training.labels import LABELS, KnownLabels
from flows.training.make import Made, Recipe, as_frame, feature_table, write_training_set

__all__ = ["LABELS", "KnownLabels", "Made", "Recipe", "as_frame", "feature_table", "write_training_set"]
