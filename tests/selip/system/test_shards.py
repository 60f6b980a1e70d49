"""Rows read where they lie are those that zarr reads, and a damaged shard is refused."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from selip.system.shards import read_rows

SHAPE, ROWS, PER_SHARD = (3, 4, 2), 11, 4


@pytest.fixture
def array(tmp_path):
    """Random rows; the third and all of the second shard are zeros, which zarr does not write."""
    values = np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)
    values[[2, *range(PER_SHARD, 2 * PER_SHARD)]] = 0
    made = zarr.create_array(
        tmp_path / "array",
        data=values,
        chunks=(1, *SHAPE),
        shards=(PER_SHARD, *SHAPE),
        config={"write_empty_chunks": False},
    )
    return tmp_path / "array", np.asarray(made[:])


@pytest.mark.parametrize("rows", [[], [2], [10, 0, 7, 7, 3], range(ROWS)])
def test_rows_are_those_of_zarr_in_the_order_asked_for(array, rows):
    folder, expected = array
    wanted = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(read_rows(folder, wanted), expected[wanted])


@pytest.mark.parametrize("place", [0, -2, -10])
def test_a_flipped_byte_of_a_chunk_or_of_the_index_is_refused(array, place):
    folder, _ = array
    shard = folder / "c" / "0" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[place] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises((ValueError, RuntimeError)):
        read_rows(folder, np.array([0]))


def test_half_a_shard_is_refused(array):
    folder, _ = array
    shard = folder / "c" / "0" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:30])
    with pytest.raises((ValueError, OSError)):
        read_rows(folder, np.array([0]))
