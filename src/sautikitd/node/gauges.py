"""What a voice node holds, on its /metrics: when no call is up, everything here but connections goes back to zero."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sautikitd.node.node import VoiceNode
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.sip.user_agent import UserAgent


class NodeGauges(Collector):
    """Read at the moment they are asked for, by the thread that serves /metrics: counts only, nothing is walked."""

    def __init__(self, node: VoiceNode, engine: VoiceEngine, agent: UserAgent) -> None:
        self._node = node
        self._engine = engine
        self._agent = agent

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        sip = self._agent.gauges
        for name, value, meaning in (
            ("sautikit_node_calls", self._node.calls, "Calls and dialled legs that run."),
            ("sautikit_node_tasks", self._node.tasks, "Tasks that run calls."),
            ("sautikit_node_legs", self._engine.legs, "Legs of the engine, SIP and media together."),
            ("sautikit_sip_dialogs", sip.dialogs, "SIP dialogs, early ones included."),
            ("sautikit_sip_transactions", sip.transactions, "SIP transactions; each lingers for up to 32 s."),
            ("sautikit_sip_connections", sip.connections, "Open TCP, TLS and WebSocket connections."),
        ):
            yield GaugeMetricFamily(name, meaning, value=value)


@contextmanager
def node_gauges(node: VoiceNode, engine: VoiceEngine, agent: UserAgent) -> Iterator[None]:
    """They are on /metrics of this process while the block lasts."""
    gauges = NodeGauges(node, engine, agent)
    REGISTRY.register(gauges)
    try:
        yield
    finally:
        REGISTRY.unregister(gauges)
