"""The shipped detectors for tables beside River's Half-Space Trees, on labelled anomaly data (.npz with X and y).

    python examples/evaluate_anomalies.py FOLDER [--seed 1] [--rows 100000]

Rows are shuffled with the seed and taken prequentially; labels are used for the figures only. River's model is as its
documentation suggests it: MinMaxScaler | HalfSpaceTrees with defaults, each row scored, then learned.

What is shipped was chosen on six of the nine sets of ADBench that were at hand; means are told for both halves.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from river.anomaly import HalfSpaceTrees
from river.preprocessing import MinMaxScaler

from detectors.quality import Ranking, rank_quality
from flows.scoring.evaluate import ALL, evaluation
from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import score_table
from flows.scoring.table import Columns, Table, read_table
from state.types import F64

NOT_LOOKED_AT = ("cover", "smtp", "vowels")
"""Sets that were kept for the last look."""


def river_scores(table: Table) -> F64:
    """(n,) River's scores, nan in its first window, where it answers int 0."""
    model = MinMaxScaler() | HalfSpaceTrees(seed=1)
    scores = np.full(len(table), np.nan)
    for i, row in enumerate(table.x.tolist()):
        features = dict(zip(table.features, row, strict=True))
        score = model.score_one(features)
        if not isinstance(score, int):
            scores[i] = score
        model.learn_one(features)
    return scores


def compare(path: Path, seed: int, rows: int | None) -> dict[str, Ranking]:
    """Quality by detector; River's last."""
    table = read_table(path, Columns(label="y")).shuffled(seed).first(rows)
    assert table.label is not None
    found = evaluation(table, score_table(*table_judgement(table.features), table))
    return {**found.rankings, "River": rank_quality(river_scores(table), table.label)}


def main() -> None:
    """Prints a line per file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=None, help="of each file, after shuffling")
    given = parser.parse_args()
    better = worst = 0.0
    means: dict[str, list[tuple[float, float]]] = {"chosen on": [], "not looked at": []}
    sys.stdout.write("ROC-AUC / average precision\n\n")
    for path in sorted(given.folder.glob("*.npz"), key=lambda p: int(p.name.split("_")[0])):
        found = compare(path, given.seed, given.rows)
        cells = [f"{name} {r.roc_auc or 0:.4f} / {r.average_precision or 0:.3f}" for name, r in found.items()]
        sys.stdout.write(f"{path.stem}, {found[ALL].rows:,} rows: {'; '.join(cells)}\n")
        sys.stdout.flush()
        half = "not looked at" if path.stem.endswith(NOT_LOOKED_AT) else "chosen on"
        means[half].append((found[ALL].roc_auc or 0, found["River"].roc_auc or 0))
        gain = (found[ALL].roc_auc or 0) - (found["River"].roc_auc or 0)
        better, worst = better + (gain > 0), min(worst, gain)
    for half, pairs in means.items():
        if pairs:
            ours, river = np.mean(pairs, axis=0)
            sys.stdout.write(f"\nMean over {len(pairs)} sets {half}: together {ours:.4f}, River {river:.4f}")
    sys.stdout.write(f"\nTogether better than River on {better:.0f}, worst by {-worst:.4f}\n")


if __name__ == "__main__":
    main()
