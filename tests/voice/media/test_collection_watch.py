"""Pauses that the garbage collector causes are told apart from all others."""

import gc

from sautikitd.voice.media.collection_watch import CollectionWatch


def test_every_collection_is_counted_by_its_length() -> None:
    watch = CollectionWatch()
    watch.begin()
    try:
        gc.collect()
        gc.collect(0)
    finally:
        watch.end()
    gc.collect()
    assert sum(watch.pauses) == 2
