"""A detector's whole state: its own snapshot, and the arrays by slot that the host saves for it."""

from detectors.base import Detector, DetectorSpec, FeatureInfo, SubjectDetector
from state.chunks import Bundle, Chunks, Saved
from state.snapshot import pack_frames, unpack_frames

_VERSION = 1


def save(detector: Detector, chunks: Chunks) -> bytes:
    """The root frame."""
    frames = {"state": detector.snapshot()}
    if isinstance(detector, SubjectDetector):
        frames["columns"] = detector.columns.snapshot(chunks)
    return pack_frames("detector", _VERSION, {}, frames)


def build(spec: DetectorSpec, features: tuple[FeatureInfo, ...], saved: Saved | None = None) -> Detector:
    """A detector at work, anew or from what `save` gave.  Raises what `spec.build` does."""
    if saved is None:
        return spec.build(features)
    _, frames = unpack_frames(saved.root, "detector", (_VERSION,))
    detector = spec.build(features, frames["state"])
    if isinstance(detector, SubjectDetector):
        detector.columns.restore(frames["columns"], saved.chunks)
    return detector


def whole(detector: Detector) -> bytes:
    """All of it, as bytes that `Bundle.open` makes ready for `build`."""

    class Operator:
        def snapshot(self, chunks: Chunks, /) -> bytes:
            return save(detector, chunks)

    return Bundle.of(Operator())
