"""What do ratings in a market tell of its frauds, without labels?  Four honest figures, and one that means nothing.

    python examples/evaluate_ratings.py bitcoin_otc_ratings.csv.gz bitcoin_otc_ground_truth.csv

The files: lines "source,target,rating,time" of Bitcoin OTC, and "account,label" of 316 of its accounts, -1 for a fraud
(Kumar, Hooi, Makhija, Kumar, Faloutsos & Subrahmanian 2018, REV2, WSDM).

The mean of all ratings received ranks these accounts at AUC-ROC 0.997, and that means nothing: the truth was made from
these very ratings.  It calls benign the founder and whom the founder rated high, and fraud whom benign accounts rated
very low.  So the ratings by these, the trusted, have to be left out, or asked what was known before they came:

- received: from everybody who is not trusted;
- as a rater: from what the account itself says of others, against what these are worth by then;
- first ratings: the first, and the first three, that an account received, whoever gave them;
- before the trusted: those that an account received before any by a trusted account.

All through ratings.toml; an account's score is that of its last window, those without one are as good as unknown.
Exits with 1 below the aims.
"""
# ruff: noqa: T201

import argparse
import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

import driftnet
from detectors.quality import rank_quality

CONFIG: Final = Path(__file__).with_name("ratings.toml")
FOUNDER: Final = "1"
MEMBER, MEAN, RATER = ("member", "distrusted"), ("member", "disliked"), ("rater", "contrary")
"""Kind of subjects and detector."""
UNKNOWN: Final = 0.0
"""The score of nobody's word."""


class Rating(NamedTuple):
    """source says so of target."""

    source: str
    target: str
    rating: int
    time: float


class Line(NamedTuple):
    """A figure.  kept: which ratings are in the stream.  asked: kind and detector.  aim: AUC-ROC at least, None for the
    one that means nothing.
    """

    name: str
    asked: tuple[str, str]
    aim: float | None
    kept: Callable[[Sequence[Rating], frozenset[str]], list[Rating]]


def read(ratings: Path, truth: Path) -> tuple[list[Rating], dict[str, bool]]:
    """Ratings in the order of time; account -> whether it is a fraud."""
    with gzip.open(ratings, "rt") as lines:
        found = [Rating(source, target, int(rating), float(at)) for source, target, rating, at in csv.reader(lines)]
    with truth.open() as rows:
        labels = {account: label == "-1" for account, label in csv.reader(rows)}
    return sorted(found, key=lambda r: r.time), labels


def everything(ratings: Sequence[Rating], trusted: frozenset[str]) -> list[Rating]:  # noqa: ARG001
    """All of them."""
    return list(ratings)


def by_others(ratings: Sequence[Rating], trusted: frozenset[str]) -> list[Rating]:
    """Not by the trusted."""
    return [r for r in ratings if r.source not in trusted]


def first(count: int) -> Callable[[Sequence[Rating], frozenset[str]], list[Rating]]:
    """The first so many that each account received."""

    def kept(ratings: Sequence[Rating], trusted: frozenset[str]) -> list[Rating]:  # noqa: ARG001
        received: dict[str, int] = defaultdict(int)
        out = []
        for r in ratings:
            received[r.target] += 1
            if received[r.target] <= count:
                out.append(r)
        return out

    return kept


def before_trusted(ratings: Sequence[Rating], trusted: frozenset[str]) -> list[Rating]:
    """Those that an account received before any by the trusted."""
    over: set[str] = set()
    out = []
    for r in ratings:
        if r.source in trusted:
            over.add(r.target)
        elif r.target not in over:
            out.append(r)
    return out


LINES: Final = (
    Line("all received (means nothing)", MEAN, None, everything),
    Line("received, not from the trusted", MEMBER, 0.899, by_others),
    Line("as a rater", RATER, 0.840, everything),
    Line("the first rating received", MEAN, 0.783, first(1)),
    Line("the first three", MEAN, 0.898, first(3)),
    Line("before any trusted rating", MEMBER, 0.574, before_trusted),
)


class Last:
    """Takes the latest score of each subject of a kind, by one detector."""

    def __init__(self, kind: str, detector: str) -> None:
        self._kind, self._detector = kind, detector
        self.found: dict[str, float] = {}

    def write(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            score = record["scores"].get(self._detector)
            if record["kind"] == self._kind and score is not None:
                self.found[record["subject"]] = score

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def scored(ratings: Sequence[Rating], asked: tuple[str, str]) -> dict[str, float]:
    """Account -> score at the end of the stream."""
    sink = Last(*asked)
    driftnet.replay([r._asdict() for r in ratings], CONFIG, streams=[], sinks={"scores": [sink]})
    return sink.found


def area(score: dict[str, float], fraud: dict[str, bool]) -> tuple[float, int]:
    """AUC-ROC over all labelled accounts; how many of them have a score."""
    values = np.array([score.get(account, UNKNOWN) for account in fraud])
    found = rank_quality(values, np.array(list(fraud.values()), np.float64))
    return found.roc_auc or 0.0, len(score.keys() & fraud.keys())


def main() -> int:
    """Prints the figures; 1 below the aims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings", type=Path)
    parser.add_argument("truth", type=Path)
    given = parser.parse_args()
    ratings, fraud = read(given.ratings, given.truth)
    trusted = frozenset({FOUNDER, *(account for account, bad in fraud.items() if not bad)})
    print(f"{len(ratings):,} ratings, {len(fraud)} accounts with a label, {sum(fraud.values())} of them frauds")
    short = []
    for line in LINES:
        auc, known = area(scored(line.kept(ratings, trusted), line.asked), fraud)
        aim = "" if line.aim is None else f"   aim {line.aim:.3f}"
        print(f"{line.name:32} AUC-ROC {auc:.3f}   {known} accounts with a score{aim}")
        if line.aim is not None and round(auc, 3) < line.aim:
            short.append(f"{line.name}: {auc:.3f}, aim {line.aim:.3f}")
    for text in short:
        print(text)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
