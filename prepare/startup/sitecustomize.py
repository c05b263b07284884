"""Runs when Python starts in a train container: seeds belong to the runner, whatever train.py writes.

Beside a GPU it then brings what compilers have built for any program (`runner_compiled`).

This folder is on PYTHONPATH there and nowhere else; processes that a training starts inherit it. Imports no library by
itself: as soon as a training has imported `random`, `numpy.random` or `torch`, `runner_seeds` governs it. If
it cannot, that import fails, so that no training goes on ungoverned. What this holds against and what not is in
docs/ratchet.md, "Seeds belong to the runner".
"""

import os
import sys

WATCHED = ("random", "numpy.random", "torch")


class Watcher:
    """A finder that finds nothing of its own: it lets the others find, and governs what they have loaded."""

    def __init__(self, seed):
        self.seed = seed
        self.waiting = set(WATCHED)

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting:  # until it is loaded: a look whether it is there must not use this up
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others if hasattr(finder, "find_spec"))
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_govern(module):
            del spec.loader.exec_module  # the loader's own again
            self.waiting.discard(name)
            load(module)
            self.govern(name, module)

        spec.loader.exec_module = load_and_govern
        return spec

    def govern(self, name, module):
        import runner_seeds

        runner_seeds.GOVERN[name](module, self.seed)


def start():
    watcher = Watcher(int(os.environ["RUNNER_SEED"]))
    for name in WATCHED:
        if name in sys.modules:
            watcher.waiting.discard(name)
            watcher.govern(name, sys.modules[name])
    sys.meta_path.insert(0, watcher)


if os.environ.get("RUNNER_SEED", "").isdigit():
    start()
if "TRITON_CACHE_DIR" in os.environ:  # after the seeds: Python goes on when this file fails
    import runner_compiled

    runner_compiled.bring()
