"""The canonical job with one thing changed."""

from dataclasses import replace

from detectors.features.declare import Condition, FeatureDecl, FeatureKind
from flows.event_stream import WindowFeatures
from flows.job import Job
from flows.judgement import DetectorUse
from state.windows import WindowKind, WindowSpec

_KINDS = (
    (FeatureKind.MEAN, "ms_played"),
    (FeatureKind.COUNT, ""),
    (FeatureKind.NUNIQUE, "track"),
    (FeatureKind.MAX, "ms_played"),
    (FeatureKind.TOP_SHARE, "artist"),
    (FeatureKind.SUM, "ms_played"),
    (FeatureKind.ENTROPY, "rights_holder"),
    (FeatureKind.MIN, "ms_played"),
)


def with_windows(job: Job, *specs: WindowSpec) -> Job:
    """These windows, each with all features and all detectors."""
    names = tuple(spec.name for spec in specs)
    features = job.stream.windows[0].features
    uses = tuple(replace(use, windows=names, features=()) for use in job.judgement.detectors)
    windows = tuple(WindowFeatures(spec, features) for spec in specs)
    return job.with_stream(windows=windows).with_judgement(detectors=uses)


def tumbling(size_us: int) -> WindowSpec:
    """One window after the other."""
    return WindowSpec(f"t{size_us}", WindowKind.TUMBLING, size_us)


def sliding(size_us: int, slide_us: int) -> WindowSpec:
    """Windows that overlap."""
    return WindowSpec(f"s{size_us}", WindowKind.SLIDING, size_us, slide_us)


def with_features(job: Job, count: int) -> Job:
    """So many features of eight kinds, no two of which share work: each has a condition of its own."""
    features = tuple(
        FeatureDecl(f"f{i}", kind, column=column, where=(Condition("ms_played", low=float(1000 * i)),))
        for i, (kind, column) in ((i, _KINDS[i % len(_KINDS)]) for i in range(count))
    )
    names = tuple(f.name for f in features)
    windows = tuple(WindowFeatures(w.window, names) for w in job.stream.windows)
    return job.with_stream(sequences=(), features=features, windows=windows)


def with_detectors(job: Job, count: int) -> Job:
    """The job's first detector, so many times."""
    (use, *_) = job.judgement.detectors
    return job.with_judgement(detectors=tuple(DetectorUse(f"d{i}", use.spec, use.windows) for i in range(count)))
