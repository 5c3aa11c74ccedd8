"""The shipped dataflow, for Bytewax's own runner: `python -m bytewax.run flows.user_fraud`.

The configuration is the file that DRIFTNET_CONFIG names, or the shipped one. Bytewax's options work as always, for
example `-r state/store -s 5 -b 0` for recovery and `-i 0 -a "host1:2101;host2:2101"` for a cluster.
`driftnet run` runs the same flow, and also prints a summary, locks its state directory and starts processes.
"""

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow


def flow() -> "Dataflow":
    """Builds the dataflow; Bytewax calls it.  Importing this module does nothing.

    Raises ConfigError, SourceError, and ImportError where the folder hides a package of Driftnet's.
    """
    from driftnet._own_names import check_own_names

    check_own_names()
    from flows.config import load
    from flows.drive.assembly import Assembly
    from flows.drive.worker import plan
    from flows.engine.plan import Options
    from flows.engine.standalone import standalone
    from flows.private import make_files_private

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    make_files_private()
    config = load(os.environ.get("DRIFTNET_CONFIG") or None)
    assembly = Assembly(config)
    planned = plan(assembly, Options(live=config.is_live))
    assembly.record()
    return standalone(planned)
