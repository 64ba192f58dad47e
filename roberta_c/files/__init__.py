"""Which files make a model, and how they come here: the Hub, JSON, shard indexes, the bundled model."""
