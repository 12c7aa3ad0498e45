"""Many instances on few connectors: what `tests.bench.fleet` is made of."""
