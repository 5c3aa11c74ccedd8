"""[detectors]: who judges what -> uses, with the features and windows that detectors bring along."""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from detectors.features.declare import FeatureDecl
from detectors.registry import detector_types, type_of
from detectors.settings import spec_of
from flows.config.compile.named import check_names
from flows.config.needs import Needs
from flows.config.problems import Problems
from flows.event_stream import WindowFeatures
from flows.judgement import DetectorUse, Judgement
from flows.rows_spec import RowsSpec
from state.errors import ConfigError, PluginError
from state.types import SECOND_US
from state.words import one_of

if TYPE_CHECKING:
    from flows.config.declarations import Declared


class Uses(NamedTuple):
    """Detectors; features and windows, with what these bring along; why others are left out, by name."""

    detectors: tuple[DetectorUse, ...]
    features: tuple[FeatureDecl, ...]
    windows: tuple[WindowFeatures, ...]
    left_out: tuple[tuple[str, str], ...]


def uses_of(
    config: "Declared", features: tuple[FeatureDecl, ...], windows: tuple[WindowFeatures, ...], problems: Problems
) -> Uses:
    """features, windows: that are declared."""
    uses: list[DetectorUse] = []
    left_out: dict[str, str] = {}
    has = {w.window.name: w.features for w in windows}
    needs = Needs(features, windows)
    for name, d in config.detectors.items():
        key = ("detectors", name)
        try:
            kind = type_of(d.type)
        except PluginError as error:
            left_out[name] = str(error)
            continue
        except ConfigError:
            known = sorted(detector_types())
            problems.unknown((*key, "type"), d.type, known, "a detector type, or the path of a file")
            continue
        brought = problems.guard(key, partial(needs.add, kind, d.features is None, d.windows is None))
        own_features, own_windows = brought or ((), ())
        chosen = own_windows or (tuple(has) if d.windows is None else d.windows)
        if not own_windows:
            check_names((*key, "windows"), chosen, config.windows, "windows", problems)
        if not chosen and not problems.are_broken("windows"):
            problems.add((*key, "windows"), [], "at least one window")
        needs.use(chosen, own_features)
        wanted = d.features or ()
        check_names((*key, "features"), wanted, config.features, "features", problems)
        for window in chosen:
            if wanted and window in has and not _can_do(wanted, has[window], problems):
                allowed = f"features of the window {window!r}: {one_of(has[window])}"
                problems.add((*key, "features"), list(wanted), allowed)
        spec = problems.guard((*key, "params"), partial(spec_of, kind, d.params))
        if spec is not None:
            limits = (d.budget / SECOND_US, d.cost_us, d.memory_bytes)
            uses.append(DetectorUse(name, spec, chosen, own_features or wanted, d.weight, *limits))
    return Uses(tuple(map(needs.settled, uses)), needs.features(), needs.windows(), tuple(left_out.items()))


def _can_do(wanted: tuple[str, ...], there: tuple[str, ...], problems: Problems) -> bool:
    """Whether a window has any of the features that a detector wants, as far as these are known."""
    return bool(set(wanted) & set(there)) or any(problems.is_broken("features", name) for name in wanted)


def check_detectors(judgement: Judgement, rows: RowsSpec, problems: Problems) -> None:
    """Whether detectors can do with what they get, which they say when they are built."""
    for use in judgement.detectors:
        for window in rows.windows:
            if window.name in use.windows:
                infos = tuple(f for f in window.features if not use.features or f.name in use.features)
                problems.guard(("detectors", use.name), partial(use.spec.build, infos))
