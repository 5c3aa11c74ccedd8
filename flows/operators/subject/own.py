"""The subject-scope detectors of one window: each subject against its own past."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from detectors.base import Rows, SubjectDetector
from detectors.guard import SAMPLED, Fault, Guard
from detectors.saving import build, save
from flows.evolution.changes import WindowFit, learned_as, under_names
from flows.evolution.layout import detector_settings, settings_now
from flows.evolution.renames import Renames, moved
from flows.judgement import DetectorUse
from flows.operators.rows import OwnVerdict
from flows.rows_spec import WindowRows
from state.chunks import Chunks, Saved
from state.errors import DetectorError
from state.snapshot import pack_frames, unpack_frames
from state.types import F64, I64

_VERSION: Final = 1
_NOTHING: Final = Renames()


class OwnDetectors:
    """The subject-scope detectors of one window.

    uses: of all windows.  renamed: what had other names in state that was saved earlier.
    """

    def __init__(self, uses: Sequence[DetectorUse], rows: WindowRows, renamed: Renames = _NOTHING) -> None:
        self._window = rows.window
        self._uses: list[tuple[DetectorUse, I64, int]] = []
        self._learned_as: dict[str, dict[str, str]] = {}
        """Detector -> feature -> its name when the detector began, of those that are called otherwise now."""
        self._detectors: dict[str, SubjectDetector] = {}
        self.guards: dict[str, Guard] = {}
        """By detector."""
        self._faults: list[tuple[str, Fault]] = []
        for use in uses:
            if rows.name in use.windows:
                chosen = np.array(
                    [i for i, f in enumerate(rows.features) if not use.features or f.name in use.features]
                )
                self._uses.append((use, chosen, len(rows.features)))
        self._infos = rows.features
        self._renamed = renamed
        self._build({}, {})

    def stretches(self, ends_us: Sequence[int]) -> Iterator[slice]:
        """Windows that may be judged at once.  ends_us: of some, ascending."""
        if not self._detectors:
            yield slice(0, len(ends_us))
            return
        start = 0
        together = all(detector.row_by_row for detector in self._detectors.values())
        for i, end_us in enumerate(ends_us, start=1):
            if i == len(ends_us) or not together or self._is_new(end_us):
                yield slice(start, i)
                start = i

    def judge(self, rows: Rows, last: int = 0) -> dict[str, OwnVerdict]:
        """Each detector's verdict on the rows of a stretch of windows; it learns from those of the last one afterwards.

        rows.end_us: that of the last one, whose rows begin at `last`.
        """
        verdicts: dict[str, OwnVerdict] = {}
        n, new = len(rows), self._is_new(rows.end_us)
        for use, chosen, width in self._uses:
            detector, guard = self._detectors[use.name], self.guards[use.name]
            at = np.flatnonzero(rows.subject % np.uint64(SAMPLED) == 0) if guard.sampled else None
            view = _seen(rows, at, chosen, width)
            learned = view
            if last:
                mine = np.arange(last, n)
                learned = _seen(rows, mine if at is None else np.intersect1d(mine, at), chosen, width)
            k, f = view.x.shape
            score, typical, share = guard.arrays(
                ("score", partial(detector.score, view), (k,), np.nan),
                ("typical", partial(detector.typical, view), (k, f), np.nan),
                ("explain", partial(detector.explain, view), (k, f), 0.0),
                then=("learn", partial(detector.learn, learned)) if new else None,
            )
            detector.rest()
            if at is not None:
                score = _spread(score, at, n, np.nan)
                typical, share = _spread(typical, at, n, np.nan), _spread(share, at, n, 0.0)
            columns = None if f == width else chosen
            verdicts[use.name] = OwnVerdict(score, typical, share, columns, width)
            self._faults += [(use.name, fault) for fault in guard.faults(n, whole=new)]
        return verdicts

    def _is_new(self, end_us: int) -> bool:
        """Whether a window shares no event with the one that was learned before.  Of sliding windows one per size is
        learned, so that what is usual for a subject does not contain what it is judged for.
        """
        return self._window.is_fresh(end_us)

    def faults(self) -> list[tuple[str, Fault]]:
        """What detectors did wrong since the last call, by name."""
        told, self._faults = self._faults, []
        return told

    def row(self, slot: int) -> dict[str, Any]:
        """Detector -> feature -> what it knows of one subject."""
        told: dict[str, Any] = {}
        for use, chosen, _ in self._uses:
            columns = self._detectors[use.name].columns
            if slot < columns.size:
                row = columns.row(slot)
                names = [self._infos[i].name for i in chosen.tolist()]
                told[use.name] = {
                    name: {c: v[i] for c, v in row.items() if isinstance(v, list)} for i, name in enumerate(names)
                }
        return told

    def spent_s(self) -> dict[str, float]:
        """Detector -> CPU seconds, since the start of this process."""
        return {name: guard.spent_s for name, guard in self.guards.items()}

    def forget(self, slots: I64) -> None:
        for detector in self._detectors.values():
            detector.forget(slots)

    def snapshots(self, chunks: Chunks) -> dict[str, bytes]:
        """The root frames of the state, by detector."""
        frames = {}
        for use, _, _ in self._uses:
            meta = {"settings": detector_settings(use), "guard": self.guards[use.name].state()}
            if names := self._learned_as.get(use.name):
                meta["learned_as"] = names
            root = self.guards[use.name].saved(partial(save, self._detectors[use.name], chunks))
            frames[use.name] = pack_frames("own", _VERSION, meta, {} if root is None else {"root": root})
        return frames

    def restore(self, frames: Mapping[str, bytes], chunks: Chunks, fit: WindowFit | None) -> None:
        """Takes what `snapshots` gave.  A detector that is new, or has other settings than were saved, or sees other
        features, or could not be saved, starts cold.  fit: what became of the window's features, None if nothing did.
        """
        saved: dict[str, Saved] = {}
        guards: dict[str, list[int]] = {}
        frames = moved(frames, dict(self._renamed.detectors))
        for use, chosen, _ in self._uses:
            if use.name in frames:
                meta, inner = unpack_frames(frames[use.name], "own", (_VERSION,))
                settings = settings_now(meta["settings"], self._renamed)
                if settings == detector_settings(use) and (fit is None or fit.same_for(use)):
                    names = [self._infos[i].name for i in chosen.tolist()]
                    self._learned_as[use.name] = learned_as(names, fit, meta.get("learned_as", {}))
                    if "root" in inner:
                        saved[use.name] = Saved(inner["root"], chunks)
                    guards[use.name] = meta["guard"]
        self._build(saved, guards)

    def _build(self, saved: Mapping[str, Saved], guards: Mapping[str, list[int]]) -> None:
        for use, chosen, _ in self._uses:
            infos = under_names(tuple(self._infos[i] for i in chosen.tolist()), self._learned_as.get(use.name, {}))
            detector = build(use.spec, infos, saved.get(use.name))
            if not isinstance(detector, SubjectDetector):
                raise DetectorError(
                    f"detector {use.name!r} declares scope subject, but is no SubjectDetector: {type(detector)}"
                )
            self._detectors[use.name] = detector
            self.guards[use.name] = Guard(use.budget_s, guards.get(use.name), use.cost_us)


def _seen(rows: Rows, at: I64 | None, chosen: I64, width: int) -> Rows:
    """Some of the rows, None for all, with these of their features."""
    seen = rows if at is None else rows.pick(at)
    return seen if len(chosen) == width else replace(seen, x=seen.x[:, chosen])


def _spread(values: F64, at: I64, rows: int, otherwise: float) -> F64:
    """An array of so many rows that holds values at these."""
    out = np.full((rows, *values.shape[1:]), otherwise)
    out[at] = values
    return out
