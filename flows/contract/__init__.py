"""The contracts of sinks, sources and formats as checks: what a plug-in's author runs, and what our own pass.

A trial (`flows.contract.trial`) says what is tried, and how the checks look at it; `flows.contract.kit.checks_of` gives
its checks, as `detectors.checks` does for detectors.
"""
