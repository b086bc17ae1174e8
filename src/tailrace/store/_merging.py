"""Many Parquet files into one, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.sinks._parquet import ROW_GROUP_ROWS, RowGroups
from tailrace.sinks._waiting import Waiting

_ROW_GROUP_MEMORY = 48 << 20
_BATCH_ROWS = 8 << 10


def row_count(path: Path) -> int:
    """How many rows a file has, by its own footer. Raises OSError and pyarrow's ArrowException."""
    return int(pq.read_metadata(path).num_rows)


def alike(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in groups whose columns of the same name have the same type. Raises OSError."""
    groups: list[tuple[pa.Schema, list[Path]]] = []
    for path in paths:
        schema = pq.read_schema(path)
        for number, (common, members) in enumerate(groups):
            try:
                groups[number] = (pa.unify_schemas([common, schema]), [*members, path])
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                continue
            break
        else:
            groups.append((schema, [path]))
    return (members for _schema, members in groups)


def merge(sources: Sequence[Path], target: Path) -> tuple[int, int]:
    """Write the rows of all sources to one durable file; its rows and bytes. Raises OSError."""
    schema = pa.unify_schemas([pq.read_schema(path) for path in sources])
    return _written((batch for path in sources for batch in _batches(path, schema)), target)


def take(source: Path, ranges: Sequence[tuple[int, int]], target: Path) -> tuple[int, int]:
    """Write some rows of a file to another durable one: ranges by start and length; its rows and bytes. Raises OSError."""
    return _written(_taken(_batches(source, pq.read_schema(source)), ranges), target)


def _taken(batches: Iterator[pa.RecordBatch], ranges: Sequence[tuple[int, int]]) -> Iterator[pa.RecordBatch]:
    behind = 0
    for batch in batches:
        for start, rows in ranges:
            first, last = max(start - behind, 0), min(start + rows - behind, len(batch))
            if first < last:
                yield batch.slice(first, last - first)
        behind += len(batch)


def _written(batches: Iterator[pa.RecordBatch], target: Path) -> tuple[int, int]:
    file = RowGroups(target)
    try:
        waiting = Waiting()
        for batch in batches:
            waiting.add(batch)
            if waiting.rows >= ROW_GROUP_ROWS or waiting.memory >= _ROW_GROUP_MEMORY:
                file.write(waiting.take())
        if waiting.rows:
            file.write(waiting.take())
        return file.rows, file.finish()
    except BaseException:
        file.discard()
        raise


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a file with the columns of the schema; those that it lacks are null."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            columns = [
                batch.column(field.name) if field.name in batch.schema.names else pa.nulls(len(batch), field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
