"""Records out of the engine, many at once: one text of the wire, of which any part can be cut without copying it."""

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from cdrelay.lake.rows import each_of, places_of

_BETWEEN = pa.scalar(b",", pa.large_binary())


class Lot:
    """Records of some recipients, those of one recipient one after the other."""

    def __init__(self, recipients: pa.Array, report_ids: pa.Array, texts: pa.Array) -> None:
        """Columns of the same length, in any order of rows; `texts` are JSON texts of the wire as large binaries."""
        range_ = pc.min_max(recipients).as_py()
        if range_["min"] != range_["max"]:
            order = pc.sort_indices(recipients)
            recipients, report_ids, texts = (column.take(order) for column in (recipients, report_ids, texts))
        self.report_ids: list[str] = report_ids.to_pylist()
        self._recipients: list[int] = recipients.to_pylist()
        self._texts = texts

    def __len__(self) -> int:
        return len(self.report_ids)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Each recipient, with the first of its records and the one after its last."""
        start = 0
        for recipient, run in groupby(self._recipients):
            end = start + sum(1 for _ in run)
            yield recipient, start, end
            start = end

    def text(self, start: int, end: int) -> memoryview:
        """The records from `start` to before `end`, at least one, with a comma between two."""
        places, joined = self._joined
        return joined[places[start] - places[0] + start : places[end] - places[0] + end - 1]

    def records(self) -> Iterator[bytes]:
        """One record after the other."""
        return each_of(self._texts)

    @cached_property
    def _joined(self) -> tuple[list[int], memoryview]:
        """Where each record starts without commas, and all of them with commas; made when a part is asked for."""
        places, _ = places_of(self._texts)
        _, joined = places_of(pc.binary_join(pa.ListArray.from_arrays([0, len(self._texts)], self._texts), _BETWEEN))
        return places, joined
