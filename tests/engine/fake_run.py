"""`python -m tests.engine.fake_run OUT SOURCE OPTIONS` (both JSON): the miniature job, to send signals to."""

import json
import sys
from pathlib import Path

from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.supervise import Restarts
from flows.summary import Summary
from state.errors import DriftnetError
from tests.engine.fakes import Numbers, plan


def main() -> None:
    out, source, options = sys.argv[1:4]
    chosen = json.loads(options)
    if "state_dir" in chosen:
        chosen["state_dir"] = Path(chosen["state_dir"])

    def progress(summary: Summary, _: float | None) -> None:
        print("read", summary.read, flush=True)

    if "restarts" in chosen:
        chosen["restarts"] = Restarts(**chosen["restarts"])
    try:
        summary = execute(plan(Numbers(**json.loads(source)), Path(out), Options(**chosen)), progress)
    except DriftnetError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    print("summary", json.dumps(summary.to_json()), flush=True)


if __name__ == "__main__":
    main()
