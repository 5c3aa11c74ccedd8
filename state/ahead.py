"""Events whose time is far ahead of their partition: held back until others bear them out, or speak against them.

One clock that is wrong, or one account that lies, must not move event time for all. So what lies further ahead than a
bound moves nothing at first. Two things can be true: the partition was silent for a while (a night, the next day's
file), or the event is wrong. Those that follow decide, by how many different subjects they come from: as soon as a
majority of those that were there lately has gone ahead as well, time goes on there, and nothing is lost; as soon as a
majority goes on where time was, what was held is refused. One subject counts once, however much it sends.

The verdicts are a function of the rows in their order, not of how they are cut into batches.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, Final, NamedTuple

import numpy as np

from state.types import END_OF_TIME_US, I64, START_OF_TIME_US, U64

LATELY: Final = 64
"""Rows whose subjects say how many there are."""
HELD_MAX: Final = 1024
HELD_BYTES_MAX: Final = 1 << 20
"""How much may wait for a verdict, in rows and in bytes of their lines."""
_FEW: Final = 3
"""Subjects that bear out a gap after which fewer are there than before, when no more can be held back."""
_SCAN: Final = 256


class Held(NamedTuple):
    """A row that waits.  number: it was the number-th row that came.  weight: bytes of its line.  position: see
    `Verdicts`.
    """

    number: int
    time_us: int
    subject: int
    weight: int
    position: int


@dataclass(slots=True)
class Verdicts:
    """What became of the rows that waited and of new ones.  Positions: those that waited first, then the new ones.

    accepted: in the order in which they count.  refused: each with the partition's largest event time at that moment.
    accepted_at, refused_at: the new row that decided it, 0 where none did.  held: those that wait from now on, in the
    order of their arrival.
    """

    accepted: list[int] = field(default_factory=list)
    accepted_at: list[int] = field(default_factory=list)
    refused: list[tuple[int, int]] = field(default_factory=list)
    refused_at: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)


class AheadBound:
    """Judges the rows of one partition, in their order.

    ahead_us: how far a row may be ahead of the largest event time so far; 0 for any distance.  straggler_us: rows that
    are further behind than this say nothing about where time is.  votes_max: as many bear out what is ahead, or speak
    against it, however many subjects there are.
    """

    def __init__(self, ahead_us: int, straggler_us: int, votes_max: int = LATELY) -> None:
        self._ahead_us = ahead_us
        self._straggler_us = straggler_us
        self._votes_max = votes_max
        self.reached_us = START_OF_TIME_US
        """The largest event time that counts."""
        self._lately: deque[int] = deque(maxlen=LATELY)
        self._held: list[Held] = []
        self._of_subject: dict[int, int] = {}
        """The largest time of each subject among the rows that wait."""
        self._least_us = END_OF_TIME_US
        self._bytes = 0
        """The earliest of the rows that wait, and the bytes of their lines."""
        self._against: dict[int, int] = {}
        """Subjects that went on elsewhere, and the number of the row in which each did so last."""
        self._votes = 0
        self._number = 0
        self._at = 0
        """The new row that is judged."""

    @property
    def waiting(self) -> int:
        """Rows that wait for a verdict."""
        return len(self._held)

    def judge(
        self, time_us: I64, subject: U64, weight: Callable[[int], int], now_us: int | None = None
    ) -> Verdicts | None:
        """None when nothing waited and all rows count, in their order.

        weight: bytes of the line of a row.  now_us: the wall clock of a live run, which is ahead of what is true as
        little as progress is: beyond it, too, others must bear a row out.
        """
        if not self._held and self._first_ahead(time_us, 0, now_us) == len(time_us):
            self._accept_all(time_us, subject)
            return None
        verdicts = self._begin()
        first, i = len(self._held), 0
        while i < len(time_us):
            if not self._held:
                stop = self._first_ahead(time_us, i, now_us)
                self._accept_all(time_us[i:stop], subject[i:stop])
                verdicts.accepted += range(first + i, first + stop)
                verdicts.accepted_at += range(i, stop)
                i = stop
                if i == len(time_us):
                    break
            self._at = i
            self._number += 1
            row = Held(self._number, int(time_us[i]), int(subject[i]), weight(i), first + i)
            if self._is_ahead(row.time_us, now_us):
                self._hold(row, verdicts, now_us)
            else:
                self._accept(row, verdicts, now_us)
            i += 1
        return self._end(verdicts)

    def advance(self, reached_us: int, now_us: int | None = None) -> Verdicts:
        """Time has passed without rows."""
        verdicts = self._begin()
        self.reached_us = max(self.reached_us, reached_us)
        self._release(verdicts, now_us)
        return self._end(verdicts)

    def silence(self, now_us: int) -> Verdicts:
        """Nobody has said anything for a while: what is not ahead of the wall clock is borne out by that."""
        verdicts = self._begin()
        likely = [row.time_us for row in self._held if row.time_us <= now_us + self._ahead_us]
        if likely:
            self._decide(max(likely), verdicts, now_us)
        return self._end(verdicts)

    def finish(self) -> Verdicts:
        """Nothing follows: what waits counts, unless as many spoke against it as for it."""
        verdicts = self._begin()
        if self._held:
            self._decide(max(row.time_us for row in self._held), verdicts, None)
        return self._end(verdicts)

    def keep(self, stay: Sequence[int]) -> None:
        """Of the rows that wait, only some go on waiting.  stay: which, counted in the order of their arrival."""
        self._held = [self._held[i] for i in stay]
        self._count()

    def forget(self, subject: int) -> None:
        """What one subject has said about where time is no longer counts."""
        self._lately = deque((who for who in self._lately if who != subject), LATELY)
        self._against.pop(subject, None)

    def state(self) -> dict[str, Any]:
        """What `restore` takes, as JSON values, without the rows that wait."""
        return {
            "lately": list(self._lately),
            "against": list(self._against.items()),
            "votes": self._votes,
            "number": self._number,
            "numbers": [row.number for row in self._held],
        }

    def restore(self, saved: dict[str, Any], time_us: I64, subject: U64, weight: Sequence[int]) -> None:
        """Goes on from `state()`.  time_us, subject, weight: of the rows that wait."""
        self._lately.extend(saved["lately"])
        self._against = dict(saved["against"])
        self._votes, self._number = saved["votes"], saved["number"]
        rows = zip(saved["numbers"], time_us.tolist(), subject.tolist(), weight, range(len(time_us)), strict=True)
        self._held = list(starmap(Held, rows))
        self._count()

    # Rows that count.

    def _first_ahead(self, time_us: I64, start: int, now_us: int | None) -> int:
        """The first row from start on that is ahead of those before it, as if nothing waited."""
        if not self._ahead_us:
            return len(time_us)
        reached_us, size = self.reached_us, _SCAN
        while start < len(time_us):
            times = time_us[start : start + size]
            before = np.empty(len(times), np.int64)
            before[0] = reached_us
            before[1:] = times[:-1]
            np.maximum.accumulate(before, out=before)
            ahead = times - self._ahead_us > before
            if now_us is not None:
                limit_us = now_us + self._ahead_us
                ahead |= (times > limit_us) & (before <= limit_us)
            if ahead.any():
                return start + int(ahead.argmax())
            reached_us = max(int(before[-1]), int(times[-1]))
            start += size
            size *= 4
        return len(time_us)

    def _is_ahead(self, time_us: int, now_us: int | None) -> bool:
        if time_us - self._ahead_us > self.reached_us:
            return True
        return now_us is not None and self.reached_us <= now_us + self._ahead_us < time_us

    def _accept_all(self, time_us: I64, subject: U64) -> None:
        if len(time_us):
            self.reached_us = max(self.reached_us, int(time_us.max()))
            self._lately.extend(subject[-LATELY:].tolist())

    def _accept(self, row: Held, verdicts: Verdicts, now_us: int | None) -> None:
        """A row within the bound, while others wait."""
        if row.time_us >= self.reached_us - self._ahead_us - self._straggler_us:
            self._against[row.subject] = row.number
        self._count_in(row, verdicts)
        self._release(verdicts, now_us)
        self._refuse_contradicted(verdicts)

    def _count_in(self, row: Held, verdicts: Verdicts) -> None:
        self.reached_us = max(self.reached_us, row.time_us)
        self._lately.append(row.subject)
        verdicts.accepted.append(row.position)
        verdicts.accepted_at.append(self._at)

    # Rows that wait.

    def _hold(self, row: Held, verdicts: Verdicts, now_us: int | None) -> None:
        if not self._held:
            self._votes = self._majority()
        self._held.append(row)
        self._tally(row)
        while self._held and len(self._of_subject) >= self._votes:
            self._go_on(self._borne_out_by(self._votes), verdicts, now_us)
        if self._is_full():
            few = max(min(len(set(self._lately)), _FEW), 1)
            if len(self._of_subject) >= few and len(self._of_subject) > self._contradicted_by():
                self._go_on(self._borne_out_by(few), verdicts, now_us)
            if self._is_full():
                self._refuse((len(self._held) + 1) // 2, verdicts)

    def _majority(self) -> int:
        """Of the subjects that were there lately; never one alone."""
        return min(max(len(set(self._lately)) // 2 + 1, 2), self._votes_max)

    def _is_full(self) -> bool:
        return len(self._held) >= HELD_MAX or self._bytes > HELD_BYTES_MAX

    def _borne_out_by(self, subjects: int) -> int:
        """The time that so many subjects have reached."""
        return sorted(self._of_subject.values())[-subjects]

    def _decide(self, target_us: int, verdicts: Verdicts, now_us: int | None) -> None:
        if self._contradicted_by() >= len(self._of_subject):
            self._refuse(len(self._held), verdicts)
        else:
            self._go_on(target_us, verdicts, now_us)

    def _go_on(self, target_us: int, verdicts: Verdicts, now_us: int | None) -> None:
        """Time is there.  Those that waited and are not further ahead count, as they came, and speak against those that
        came before them and are.
        """
        self.reached_us = max(self.reached_us, target_us)
        for row in self._release(verdicts, now_us):
            self._against[row.subject] = row.number
        self._votes = self._majority()
        self._refuse_contradicted(verdicts)

    def _contradicted_by(self) -> int:
        """Subjects that went on elsewhere since the first of those came that wait."""
        return sum(number > self._held[0].number for number in self._against.values())

    def _refuse_contradicted(self, verdicts: Verdicts) -> None:
        if self._held and len(self._against) >= self._votes:
            since = sorted(self._against.values())[-self._votes]
            self._refuse(sum(row.number < since for row in self._held), verdicts)

    def _release(self, verdicts: Verdicts, now_us: int | None) -> list[Held]:
        """Counts what is no longer ahead, until nothing is left of that, and returns it."""
        released: list[Held] = []
        while self._held and not self._is_ahead(self._least_us, now_us):
            held = self._held
            self._held = []
            for row in held:
                if self._is_ahead(row.time_us, now_us):
                    self._held.append(row)
                else:
                    self._count_in(row, verdicts)
                    released.append(row)
            self._count()
        return released

    def _refuse(self, rows: int, verdicts: Verdicts) -> None:
        """The first rows of those that wait."""
        verdicts.refused += [(row.position, self.reached_us) for row in self._held[:rows]]
        verdicts.refused_at += [self._at] * rows
        del self._held[:rows]
        self._count()

    def _count(self) -> None:
        self._of_subject = {}
        self._least_us, self._bytes = END_OF_TIME_US, 0
        for row in self._held:
            self._tally(row)
        self._forget_older()

    def _forget_older(self) -> None:
        """What was said before the first of those came that wait says nothing about them."""
        first = self._held[0].number if self._held else self._number
        self._against = {who: number for who, number in self._against.items() if number > first}

    def _tally(self, row: Held) -> None:
        self._of_subject[row.subject] = max(row.time_us, self._of_subject.get(row.subject, START_OF_TIME_US))
        self._least_us = min(self._least_us, row.time_us)
        self._bytes += row.weight

    def _begin(self) -> Verdicts:
        self._held = [row._replace(position=i) for i, row in enumerate(self._held)]
        self._at = 0
        return Verdicts()

    def _end(self, verdicts: Verdicts) -> Verdicts:
        self._forget_older()
        verdicts.held = [row.position for row in self._held]
        return verdicts
