"""The files of a model: finding and downloading them, JSON objects, shard indexes, the bundled model."""
