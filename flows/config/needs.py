"""Features and windows that detectors bring along, beside those that the configuration declares."""

from dataclasses import replace

from detectors.base import DetectorSpec
from detectors.features.declare import FeatureDecl
from flows.event_stream import WindowFeatures
from flows.judgement import DetectorUse
from state.errors import ConfigError


class Needs:
    """Starts from what is declared; equal things are kept once, whoever asks for them."""

    def __init__(self, features: tuple[FeatureDecl, ...], windows: tuple[WindowFeatures, ...]) -> None:
        self._declared = {w.window.name: w.features for w in windows}
        self._features = {f.name: f for f in features}
        self._windows = {w.window.name: w.window for w in windows}
        self._of_window = {w.window.name: list(w.features) for w in windows}

    def add(self, kind: type[DetectorSpec], features: bool, windows: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the features and of the windows that a detector brings.  features, windows: whether the
        configuration leaves them to it.  Raises ConfigError for a name that stands for something else already.
        """
        brought = kind.own_features if features else ()
        for decl in brought:
            if repr(self._features.setdefault(decl.name, decl)) != repr(decl):  # nan differs from itself, its text not
                raise ConfigError(
                    f"brings a feature {decl.name!r} that is another one than the feature of that name; rename one, or"
                    " say which features it is to look at"
                )
        names = []
        for window in kind.own_windows if windows else ():
            same = next((n for n, w in self._windows.items() if replace(window, name=n) == w), window.name)
            if replace(self._windows.setdefault(same, window), name="") != replace(window, name=""):
                raise ConfigError(
                    f"brings a window {same!r} that is another one than the window of that name; rename one, or say"
                    " which windows it is to look at"
                )
            names.append(same)
        return tuple(decl.name for decl in brought), tuple(names)

    def use(self, windows: tuple[str, ...], features: tuple[str, ...]) -> None:
        """These windows have these features too."""
        for window in windows:
            if window in self._windows:
                there = self._of_window.setdefault(window, [])
                there += [name for name in features if name not in there]

    def settled(self, use: DetectorUse) -> DetectorUse:
        """A detector that looks at all features of its windows is not shown what others brought."""
        if use.features or all(tuple(self._of_window.get(w, ())) == self._declared.get(w) for w in use.windows):
            return use
        return replace(use, features=tuple(dict.fromkeys(n for w in use.windows for n in self._declared.get(w, ()))))

    def features(self) -> tuple[FeatureDecl, ...]:
        """All of them, declared ones first."""
        return tuple(self._features.values())

    def windows(self) -> tuple[WindowFeatures, ...]:
        """All of them, declared ones first."""
        return tuple(WindowFeatures(w, tuple(self._of_window.get(name, ()))) for name, w in self._windows.items())
