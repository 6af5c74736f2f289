"""Where a flow stands: everything needed to tell, store and resume it."""

from urllib.parse import urljoin, urlsplit

import msgspec

from sautikitd.flow.document import Flow
from sautikitd.flow.verbs.registry import AnyVerb


class FlowState(msgspec.Struct, kw_only=True):
    """`position` counts actions already begun, so resuming never runs one twice. `base_url` is the URL
    that gave the flow, for its relative URLs. Serialises with msgspec."""

    flow: Flow
    position: int = 0
    base_url: str | None = None

    @property
    def remaining(self) -> tuple[AnyVerb, ...]:
        return self.flow.actions[self.position :]

    def next_action(self) -> AnyVerb | None:
        if self.position >= len(self.flow.actions):
            return None
        self.position += 1
        return self.flow.actions[self.position - 1]

    def absolute(self, reference: str) -> str | None:
        """`reference` resolved (RFC 3986 §5); None when it is relative to nothing, or is no URL."""
        try:
            if urlsplit(reference).scheme:
                return reference
            return urljoin(self.base_url, reference) if self.base_url else None
        except ValueError:
            return None
