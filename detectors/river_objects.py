"""Objects of River as bytes: what they may be made of, and nothing else, is read back."""

from collections.abc import Collection
from typing import Any, Final

from state.pickles import Allowed, dump, load

_PACKAGES: Final = frozenset(
    """
    _river_rust active anomaly base cluster compose conf covariance drift dummy ensemble facto feature_extraction
    feature_selection forest imblearn linear_model metrics misc model_selection multiclass multioutput naive_bayes
    neighbors optim preprocessing proba reco rules sketch stats time_series tree utils
    """.split()  # noqa: SIM905 - as River lists them
)
"""Where River's models live, and what they are made of: not its data sets, streams and evaluation, which open files and
addresses."""
_OTHERS: Final = frozenset(
    """
    builtins.bool builtins.bytearray builtins.complex builtins.dict builtins.float builtins.frozenset builtins.int
    builtins.iter builtins.list builtins.object builtins.range builtins.set builtins.slice builtins.str builtins.tuple
    collections.Counter collections.OrderedDict collections.defaultdict collections.deque
    copy.deepcopy copyreg._reconstructor datetime.date datetime.datetime datetime.timedelta datetime.timezone
    functools.partial random.Random statistics.NormalDist
    numpy.array numpy.dtype numpy.ndarray numpy.ones numpy.zeros
    numpy._core.multiarray._reconstruct numpy._core.multiarray.scalar numpy._core.numeric._frombuffer
    numpy.random._mt19937.MT19937 numpy.random._pcg64.PCG64 numpy.random._pickle.__bit_generator_ctor
    numpy.random._pickle.__generator_ctor numpy.random._pickle.__randomstate_ctor
    numpy.random.bit_generator.SeedSequence numpy.random.bit_generator.__pyx_unpickle_SeedSequence
    """.split()  # noqa: SIM905 - as pickles name them
)


def is_river(path: str) -> bool:
    """Whether an import path leads to a model of River, or to a part of one."""
    package, _, rest = path.partition(".")
    return package == "river" and rest.partition(".")[0] in _PACKAGES


def to_bytes(what: object) -> bytes:
    """For `from_bytes`."""
    return dump(what)


def from_bytes(blob: bytes, where: str, named: Collection[str] = ()) -> Any:
    """What `to_bytes` gave.

    where: for messages.  named: import paths of classes that the configuration names beside River's; what their modules
    define is read too.  Raises SnapshotError for bytes that are damaged, or that name anything else.
    """
    modules = {path.rpartition(".")[0] for path in named}
    return load(blob, Allowed(_OTHERS, lambda module: is_river(module) or module in modules), where)
