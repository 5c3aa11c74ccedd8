"""Gradient boosted trees, refitted on the last labelled rows.

Source: Ke, Meng, Finley, Wang, Chen, Ma, Ye & Liu 2017, "LightGBM: a highly efficient gradient boosting decision tree".
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm
import numpy as np

from driftnet.kit import F64, RefittedSpec, Scorer, require

_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class LightgbmSpec(RefittedSpec):
    """Trees of few leaves, for rare frauds.

    trees, leaves: how many, of each tree.  rate: how much of a tree counts.  leaf_rows: rows in a leaf at least.
    ridge: how strongly leaves are drawn to 0.  seed: of everything random.
    """

    type: ClassVar[str] = "lightgbm_refit"

    trees: int = 100
    leaves: int = 15
    rate: float = 0.05
    leaf_rows: int = 40
    ridge: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        RefittedSpec.__post_init__(self)
        require(
            self,
            self.type,
            trees=(self.trees >= 1, "at least 1"),
            leaves=(self.leaves >= 2, "at least 2"),
            rate=(0 < self.rate <= 1, "above 0, at most 1"),
            leaf_rows=(self.leaf_rows >= 1, "at least 1"),
            ridge=(self.ridge >= 0, "at least 0"),
        )

    def fit(self, x: F64, fraud: F64) -> bytes:
        """The booster as text.  One thread and rows in their order: the same rows give the same bytes."""
        settings: dict[str, Any] = {
            "objective": "binary", "num_leaves": self.leaves, "learning_rate": self.rate,
            "min_data_in_leaf": self.leaf_rows, "lambda_l2": self.ridge, "seed": self.seed, "num_threads": 1,
            "deterministic": True, "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip
        booster = lightgbm.train(settings, lightgbm.Dataset(x, fraud), num_boost_round=self.trees)
        return booster.model_to_string().encode()

    def scorer(self, model: bytes) -> Scorer:
        """Log odds: where probabilities are all but 0 or 1 these still tell rows apart."""
        booster = lightgbm.Booster(model_str=model.decode())

        def score(x: F64) -> F64:
            finite = np.clip(x, -_LARGEST, _LARGEST)
            return np.asarray(booster.predict(finite, raw_score=True, num_threads=1), np.float64)

        return score
