"""How good a call sounded: the E-model (ITU-T G.107), reduced to what RTP knows of a G.711 call."""

# ITU-T G.113 appendix I: robustness of G.711 against random loss with concealment (4.3 without).
_LOSS_ROBUSTNESS = 25.1
_PACKET_AND_BUFFER_MS = 60.0


def mean_opinion_score(*, loss_percent: float, jitter_ms: float, rtt_ms: float | None) -> float:
    """MOS from 1.0 to 4.41. Delay is half the round trip, a packet, the jitter buffer and twice the jitter."""
    delay = (rtt_ms or 0.0) / 2 + _PACKET_AND_BUFFER_MS + 2 * jitter_ms
    delay_impairment = 0.024 * delay + 0.11 * max(delay - 177.3, 0.0)
    loss = min(max(loss_percent, 0.0), 100.0)
    loss_impairment = 95.0 * loss / (loss + _LOSS_ROBUSTNESS)
    rating = min(max(93.2 - delay_impairment - loss_impairment, 0.0), 100.0)
    score = 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating)
    return round(min(max(score, 1.0), 4.5), 2)
