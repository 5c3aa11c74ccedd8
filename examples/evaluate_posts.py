"""How soon do labels help?  Some accounts' labels, told late; the other accounts judged.

    python examples/evaluate_posts.py bot_or_not_30 bot_or_not_31 [--labels 60] [--seeds 10]

Each argument is what the names of a language's two files begin with: `..._posts.csv.gz` and `..._users.csv`.  Two
tasks, both through `posts_labelled.toml` with a source of labels:

- within a language, the labels of some of its accounts are told between hour 30 and 36 of the 48;
- across languages, the other language posts first, the labels of some of its accounts, then of all, are told in the day
  after that, and this language posts four days later, without a label.

Judged are accounts whose label was never told, by the mean of what a detector said of them in windows that end in the
last twelve hours of the stream: the probability of label 1 by the detector that learns from labels, the raw score by
the others, and minus the tail probability of all together.  Beside them stands a linear logistic regression
(standardised features, ridge 1, Newton's method) that is fitted in one go to the same labelled accounts' rows at the
end of their stream, and ranks the rows at the end of this.

Posts outside the two days are left out: in the English file 840, all those of 12 bots, are months away, and nobody
else's.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import orjson

from detectors.quality import Ranking, rank_quality
from flows.config import load
from flows.config.endpoints import FilesConfig
from flows.convert import convert_table
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.scoring.evaluate import ALL
from state.types import F64

CONFIG: Final = Path(__file__).with_name("posts_labelled.toml")
BEGAN_S: Final = 1_710_547_200
"""2024-03-16T00:00:00Z."""
HOUR_S: Final = 3600
LENGTH_S: Final = 48 * HOUR_S
JUDGED_S: Final = 12 * HOUR_S
LATER_S: Final = 96 * HOUR_S
BATCH: Final = "linear, in one go"


@dataclass(frozen=True, slots=True)
class Posts:
    """lines: posts in the order of their times, without labels.  bot: account -> whether it is one."""

    lines: list[dict[str, Any]]
    bot: dict[str, bool]

    def later(self, seconds: int) -> "Posts":
        """The same, moved in time."""
        return Posts([line | {"ts": line["ts"] + seconds} for line in self.lines], self.bot)


def read_posts(stem: str) -> Posts:
    """A language's two files."""
    with TemporaryDirectory() as place:
        converted = Path(place) / "posts.jsonl"
        convert_table(Path(f"{stem}_posts.csv.gz"), converted, sort_by="ts")
        every = [orjson.loads(line) for line in converted.read_bytes().splitlines()]
    lines = [line for line in every if BEGAN_S <= line["ts"] < BEGAN_S + LENGTH_S]
    with Path(f"{stem}_users.csv").open() as users:
        truth = {row["user"]: row["is_bot"] == "true" for row in csv.DictReader(users)}
    present = sorted({line["user"] for line in lines})
    return Posts([{k: v for k, v in line.items() if k != "is_bot"} for line in lines], {u: truth[u] for u in present})


@dataclass(slots=True)
class Said:
    """What detectors said: (account, end of the window in seconds, features, scores by detector), in turn."""

    rows: list[tuple[str, int, F64, dict[str, float]]] = field(default_factory=list)

    def observe(self, rows: FeatureRows, verdict: Verdict, _models: WindowModels) -> None:
        """Takes a round, as the population stage has it, before anything is learned from it."""
        for i, name in enumerate(rows.name.tolist()):
            score = {detector: float(s[i]) for detector, s in verdict.score.items()} | {ALL: -float(verdict.p[i])}
            self.rows.append((name, rows.end_us // 1_000_000, rows.x[i], score))

    def mean(self, accounts: Sequence[str], after_s: int) -> dict[str, F64]:
        """Detector -> per account the mean over windows that end after that time; nan if one is "not yet"."""
        place = {account: i for i, account in enumerate(accounts)}
        late = [(place[name], score) for name, end_s, _, score in self.rows if end_s > after_s and name in place]
        at = np.array([i for i, _ in late], np.int64)
        count = np.bincount(at, minlength=len(place))
        return {
            detector: np.bincount(at, [score[detector] for _, score in late], len(place)) / np.maximum(count, 1)
            for detector in self.rows[0][3]
        }

    def features(self, accounts: Sequence[str], at_s: int) -> F64:
        """(accounts, F) of the windows that end then."""
        found = {name: x for name, end_s, x, _ in self.rows if end_s == at_s}
        return np.array([found[account] for account in accounts])


def told(bots: dict[str, bool], accounts: Iterable[str], from_s: int, to_s: int, rng: Any) -> list[dict[str, Any]]:
    """Label lines of these accounts, each told at some time of that span, in the order of time."""
    at = {account: int(rng.integers(from_s * 1000, to_s * 1000)) for account in accounts}
    return [{"subject": a, "label": int(bots[a]), "at": at[a]} for a in sorted(at, key=lambda a: (at[a], a))]


def run(events: list[dict[str, Any]], labels: list[dict[str, Any]]) -> Said:
    """The flow over both, as `driftnet replay --labels` runs it."""
    said = Said()
    with TemporaryDirectory() as place:
        for name, lines in (("posts", events), ("labels", labels)):
            (Path(place) / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        sources = {
            "posts": FilesConfig(kind="files", paths=(f"{place}/posts.jsonl",)),
            "labels": FilesConfig(kind="files", paths=(f"{place}/labels.jsonl",), reads="labels"),
        }
        config = load(CONFIG, environ={}).model_copy(update={"sources": sources})
        partitions, reads = Assembly(config).inputs()
        LocalDriver(config.job(), partitions, {}, observer=said.observe, reads=reads).run()
    return said


def linear(x: F64, y: F64, judged: F64) -> F64:
    """(m,) log odds by a logistic regression with ridge 1 on standardised features; nan counts as the mean.

    x: (n, F), y: (n,) labelled.  judged: (m, F).
    """
    center, spread = np.nanmean(x, axis=0), np.nanstd(x, axis=0)

    def seen(values: F64) -> F64:
        z = np.nan_to_num((values - center) / np.where(spread > 0, spread, 1.0))
        return np.column_stack([np.ones(len(z)), np.clip(z, -5, 5)])

    a, beta = seen(x), np.zeros(x.shape[1] + 1)
    ridge = np.diag([1e-6, *np.ones(x.shape[1])])
    for _ in range(50):
        p = 1 / (1 + np.exp(-a @ beta))
        curvature = (a * (p * (1 - p))[:, None]).T @ a + ridge
        beta += np.linalg.solve(curvature, a.T @ (y - p) - ridge @ beta)
    return np.asarray(seen(judged) @ beta)


def within(posts: Posts, given: int, seed: int) -> dict[str, Ranking]:
    """Detector -> quality on the accounts of a language whose labels are not told."""
    rng = np.random.default_rng(seed)
    accounts = rng.permutation(sorted(posts.bot)).tolist()
    known, others = accounts[:given], accounts[given:]
    said = run(posts.lines, told(posts.bot, known, BEGAN_S + 30 * HOUR_S, BEGAN_S + 36 * HOUR_S, rng))
    return quality(said, posts.bot, known, posts.bot, others, 0)


def across(first: Posts, then: Posts, given: int, seed: int) -> dict[str, Ranking]:
    """The same on all accounts of `then`, with labels of `first` only."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(sorted(first.bot)).tolist()[:given]
    labels = told(first.bot, known, BEGAN_S + LENGTH_S, BEGAN_S + LENGTH_S + 24 * HOUR_S, rng)
    said = run(first.lines + then.later(LATER_S).lines, labels)
    return quality(said, first.bot, known, then.bot, sorted(then.bot), LATER_S)


def quality(
    said: Said, known_bot: dict[str, bool], known: list[str], bot: dict[str, bool], judged: list[str], later_s: int
) -> dict[str, Ranking]:
    """later_s: how much later than the labelled ones the judged accounts post."""
    truth = np.array([float(bot[account]) for account in judged])
    end_s = BEGAN_S + LENGTH_S
    score = said.mean(judged, end_s + later_s - JUDGED_S)
    y = np.array([float(known_bot[account]) for account in known])
    score[BATCH] = linear(said.features(known, end_s), y, said.features(judged, end_s + later_s))
    return {name: rank_quality(s, truth) for name, s in score.items()}


def report(title: str, found: list[dict[str, Ranking]]) -> None:
    """Prints a line per detector: mean, smallest and largest ROC-AUC over the seeds, mean average precision."""
    one = found[0][BATCH]
    sys.stdout.write(f"\n{title}; {one.rows} accounts judged, {one.positives} of them bots (first seed)\n")
    for name in found[0]:
        known = [r[name] for r in found if r[name].roc_auc is not None]
        auc = [r.roc_auc for r in known if r.roc_auc is not None]
        precision = [r.average_precision for r in known if r.average_precision is not None]
        silent = f"   nothing yet in {len(found) - len(known)} of {len(found)}" if len(known) < len(found) else ""
        figures = f"{np.mean(auc):.3f} ({min(auc):.3f} to {max(auc):.3f})   AP {np.mean(precision):.3f}" if auc else "-"
        sys.stdout.write(f"  {name:20} ROC-AUC {figures}{silent}\n")
    sys.stdout.flush()


def main() -> None:
    """Prints a table per task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stems", nargs=2, metavar="STEM")
    parser.add_argument("--labels", type=int, default=60, help="accounts whose labels are told")
    parser.add_argument("--seeds", type=int, default=10, help="choices of these accounts")
    given = parser.parse_args()
    posts = {Path(stem).name: read_posts(stem) for stem in given.stems}
    for name, mine in posts.items():
        found = [within(mine, given.labels, seed) for seed in range(given.seeds)]
        report(f"{name}, {given.labels} of its own {len(mine.bot)} accounts labelled", found)
    for first, then in permutations(posts):
        one, other = posts[first], posts[then]
        for count in (given.labels, len(one.bot)):
            found = [across(one, other, count, seed) for seed in range(given.seeds)]
            report(f"{then}, {count} of the {len(one.bot)} accounts of {first} labelled", found)


if __name__ == "__main__":
    main()
