"""Answering digest challenges to our requests (RFC 3261 §22.2), several realms and stale nonces included."""

from sipmessage import Request

from sautikitd.voice.sip.digest import Challenge, Credentials, authorize, read_challenges
from sautikitd.voice.sip.wire import Arrival

_MAX_ROUNDS = 4


class Authorizer:
    """Keeps the challenges that one request, or the requests of one registration, has met."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._met: dict[tuple[bool, str], Challenge] = {}
        self._uses: dict[str, int] = {}
        self._tried: set[tuple[bool, str]] = set()  # realms answered in this request
        self._rounds = 0

    def learn(self, response: Arrival) -> bool:
        """Takes the challenge of a 401 or 407. False: it cannot be met, or our answer to it was refused."""
        proxy = response.response.code == 407
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        values = response.message.headers.getlist(name)
        challenges = read_challenges(values, proxy=proxy)
        if self._credentials is None or not challenges or self._rounds >= _MAX_ROUNDS:
            return False
        self._rounds += 1
        challenge = challenges[0]
        key = proxy, challenge.realm
        if key in self._tried and not (challenge.stale and challenge.nonce != self._met[key].nonce):
            return False
        self._tried.add(key)
        self._met[key] = challenge
        return True

    def apply(self, request: Request) -> None:
        """Writes Authorization and Proxy-Authorization for all that was learnt."""
        request.headers.remove("Authorization")
        request.headers.remove("Proxy-Authorization")
        if self._credentials is None:
            return
        for challenge in self._met.values():
            count = self._uses[challenge.nonce] = self._uses.get(challenge.nonce, 0) + 1
            value = authorize(challenge, self._credentials, request.method, str(request.uri), count=count)
            request.headers.add("Proxy-Authorization" if challenge.proxy else "Authorization", value)

    def renew(self) -> None:
        """Begins another request with what was learnt: its first challenge may replace an old nonce."""
        self._tried.clear()
        self._rounds = 0
