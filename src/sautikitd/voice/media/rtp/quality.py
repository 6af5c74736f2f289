"""How good a call sounded: the E-model (ITU-T G.107), reduced to what RTP knows of a G.711 call."""

# ITU-T G.113 appendix I: robustness of G.711 against random loss with concealment (4.3 without).
_LOSS_ROBUSTNESS = 25.1
_PACKET_AND_TICK_MS = 30.0  # gathering 20 ms of speech, and half a tick on either way


def mean_opinion_score(*, loss_percent: float, buffer_ms: float, rtt_ms: float | None) -> float:
    """MOS from 1.0 to 4.41. `loss_percent` is of what should have been heard: lost on the way, or too late for the
    jitter buffer, whose usual depth is `buffer_ms`. Delay is half the round trip, a packet, and the buffer."""
    delay = (rtt_ms or 0.0) / 2 + _PACKET_AND_TICK_MS + buffer_ms
    delay_impairment = 0.024 * delay + 0.11 * max(delay - 177.3, 0.0)
    loss = min(max(loss_percent, 0.0), 100.0)
    loss_impairment = 95.0 * loss / (loss + _LOSS_ROBUSTNESS)
    rating = min(max(93.2 - delay_impairment - loss_impairment, 0.0), 100.0)
    score = 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating)
    return round(min(max(score, 1.0), 4.5), 2)
