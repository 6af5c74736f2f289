"""Which tests share one worker, because they share something that is started once: an installation, a browser, a server.

`xdist_group` would say the same, but pytest 9.2 no longer shows xdist 3.8 the node ids that it marks
(`item._nodeid` is not what `item.nodeid` returns), so that the scheduler never hears of the groups.
"""

from xdist.scheduler import LoadScopeScheduling

_SHARED = {
    "tests/system/": "system",
    "tests/browser/": "browser",
    "tests/recordings/test_recordings_on_s3.py": "swift",
    "tests/webhooks/test_node_library.py": "node",  # npm puts its library in place once
}


class SharedScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Every test by itself, but those of one name in `_SHARED` together, on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for start, name in _SHARED.items() if nodeid.startswith(start)), nodeid)
