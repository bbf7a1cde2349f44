"""Records out of the engine, many at once: one text of the wire, of which any part can be cut without copying it."""

from collections.abc import Iterator
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from cdrelay.lake.rows import places_of

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
        self._places, _ = places_of(texts)
        _, self._joined = places_of(pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), _BETWEEN))

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
        before = self._places[0]
        return self._joined[self._places[start] - before + start : self._places[end] - before + end - 1]

    def records(self) -> Iterator[bytes]:
        """One record after the other."""
        return (self.text(number, number + 1).tobytes() for number in range(len(self)))
