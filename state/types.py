"""Array types, time units and the values that stand for "missing"."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
I16 = NDArray[np.int16]
U64 = NDArray[np.uint64]
Bool = NDArray[np.bool_]
Names = NDArray[np.object_]
Values = NDArray[Any]
"""One column of a batch: (n,) of the dtype its kind says."""

MS_US: Final = 1_000
SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

NO_ID: Final = 0
"""An id column's missing value (uint64)."""
NO_CODE: Final = -1
"""An enum column's missing value (int16)."""
END_OF_TIME_US: Final = 2**62
"""The watermark of a sender that has nothing more to send."""
START_OF_TIME_US: Final = -(2**62)
"""The watermark of a sender that has not been heard yet."""
