"""`python -m bench.measure.cold JOB FILE [SETTING...]`: a run that says when what was ready.

Marks, on the system's monotonic clock: interpreter (Python runs our first line), imports, configuration, first row (of
a window, scored or not), first score (a detector had learned enough to give one), end.
"""

import time

_INTERPRETER_S = time.monotonic()


def main(job_file: str, file: str, *settings: str) -> None:
    """Prints counts, findings and marks as JSON."""
    import numpy as np
    import orjson

    from bench.pipeline import run
    from flows.config.load import load
    from flows.operators.population.verdict import Verdict
    from flows.operators.population.window_models import WindowModels
    from flows.operators.rows import FeatureRows
    from flows.sources.files import FilesPartition

    marks = {"interpreter": _INTERPRETER_S, "imports": time.monotonic()}
    job = load(job_file, environ={}, settings=settings).job()
    marks["configuration"] = time.monotonic()

    def see(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        del rows, models
        marks.setdefault("first row", time.monotonic())
        if any(np.isfinite(score).any() for score in verdict.score.values()):
            marks.setdefault("first score", time.monotonic())

    outcome = run(job, [FilesPartition("memory", [file])], see)
    marks["end"] = time.monotonic()
    print(orjson.dumps({"counts": outcome.counts, "findings": outcome.findings, "marks": marks}).decode())


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
