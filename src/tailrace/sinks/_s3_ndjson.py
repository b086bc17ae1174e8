"""Records as NDJSON objects: one for each partition, or several where a partition outgrows the memory or S3's limits.

What is compressed waits until it makes a part. Where many partitions share the memory, the largest goes first: as a part
if it is large enough for one, else its object ends there, and what follows begins another one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.kernel.names import Schema
from tailrace.model import Batch
from tailrace.sinks._compressing import Compression, Compressors, Text
from tailrace.sinks._s3_keys import Keys
from tailrace.sinks._s3_upload import LEAST_PART, Place, Upload, abort
from tailrace.sinks._split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How NDJSON is written: names, whether with ids, compressed how, in parts of which size, in how much memory."""

    schema: Schema = "aws"
    ids: bool = False
    compression: Compression = "gzip"
    part_size: int
    memory: int


@dataclass(slots=True)
class _Object:
    """An object under construction: what was sent of it, and its text that was not."""

    upload: Upload
    text: Text

    def send(self, size: int) -> None:
        """Send so much of what is ready as one part. Raises Retryable or Fatal."""
        self.upload.send(bytes(self.text.ready[:size]))
        del self.text.ready[:size]


class NdjsonObjects:
    """The objects of one item's records since the last flush."""

    def __init__(self, place: Place, how: Writing) -> None:
        self._place, self._how = place, how
        self._compressors = Compressors(how.compression)
        self._growing: dict[str, _Object] = {}
        self._ended: list[_Object] = []

    def relieve(self) -> None:
        """Send what makes parts, and what the memory does not hold. Raises Retryable or Fatal."""
        for group, growing in list(self._growing.items()):
            while len(growing.text.ready) >= self._how.part_size:
                if growing.upload.full:
                    self._end(group)
                else:
                    growing.send(self._how.part_size)
        if self._memory > self._how.memory:
            for growing in self._growing.values():
                growing.text.end()
        while self._memory > self._how.memory:
            self._roll()

    @property
    def _memory(self) -> int:
        return sum(growing.text.memory for growing in self._growing.values())

    def _roll(self) -> None:
        group, largest = max(self._growing.items(), key=lambda entry: len(entry[1].text.ready))
        if len(largest.text.ready) < LEAST_PART or largest.upload.full:
            self._end(group)
        else:
            largest.send(len(largest.text.ready))

    def _end(self, group: str) -> None:
        """Send all that there is of an object; nothing may follow."""
        ended = self._growing[group]
        ended.text.end()
        ended.send(len(ended.text.ready))
        self._ended.append(self._growing.pop(group))

    def add(self, keys: Keys, batch: Batch) -> None:
        """Take the records of a batch."""
        split = Split(batch.records, self._how.schema, ids=self._how.ids)
        for kind in split.kinds:
            mark = split.mark(kind, keys.token)
            group = keys.key(kind, 0, mark)
            if group not in self._growing:
                upload = Upload(self._place, keys.key(kind, split.first(kind), mark))
                self._growing[group] = _Object(upload, Text(self._compressors))
            self._growing[group].text.add(split.ndjson(kind))

    def flush(self) -> None:
        """Let every object appear; when made again, those that have not yet. Raises Retryable or Fatal."""
        for growing in self._growing.values():
            growing.text.end()
        self._ended += self._growing.values()
        self._growing.clear()
        for ended in self._ended:
            if ended.upload.begun and ended.text.ready:
                ended.send(len(ended.text.ready))
        while self._ended:
            ended = self._ended[0]
            if ended.upload.begun:
                ended.upload.complete()
            else:
                ended.upload.put(bytes(ended.text.ready))
            del self._ended[0]

    def abandon(self) -> None:
        """Forget what was taken, and leave no upload unfinished, as far as the service answers."""
        abort(each.upload for each in (*self._ended, *self._growing.values()))
        self._growing.clear()
        self._ended.clear()
        self._compressors.forget()

    def close(self) -> None:
        """Nothing is kept beside what is abandoned."""
