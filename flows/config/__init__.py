"""One TOML file says what a job reads, remembers, computes and emits; every key has a default.

load -> Config (checked key by key) -> Config.job() -> flows.job.Job (checked as a whole, compiled, hashed), which is an
event stream and its judgement; Config.table_judgement() -> flows.judgement.Judgement, of rows that come from no stream.
The models pull in all detectors' specs, so they are imported when a configuration is checked (flows.config.models).
"""

from flows.config.load import load, loads

__all__ = ["load", "loads"]
