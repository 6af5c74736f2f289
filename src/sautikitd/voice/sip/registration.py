"""Registering at a trunk (RFC 3261 §10.2) and staying registered."""

import asyncio
import random
from enum import StrEnum

import msgspec
import structlog

from sautikitd.clock import Clock, SystemClock
from sautikitd.voice.sip.address import MalformedAddress, NameAddr
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.stack import Outcome, new_tag
from sautikitd.voice.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)

_KEEP_ALIVE = 25.0  # seconds: NATs forget a UDP binding after 30 (RFC 5626 §4.4.2 has 24 to 29)
_FIRST_RETRY, _LAST_RETRY = 5.0, 300.0  # seconds


class RegistrationStatus(StrEnum):
    TRYING = "trying"
    REGISTERED = "registered"
    FAILED = "failed"  # and being tried again
    STOPPED = "stopped"


class RegistrationState(msgspec.Struct, frozen=True):
    status: RegistrationStatus
    code: int | None = None  # of the latest answer, if one came
    reason: str = ""
    expires: int | None = None  # seconds granted


class Registration:
    """Keeps one address of record registered from `start` to `stop`.

    Refreshed somewhere between 50 and 90 % of the granted time, so that many nodes do not come at once.
    After a failure tried again after 5, 10, 20 … 300 s, each shortened by up to half at random.
    """

    def __init__(
        self,
        agent: UserAgent,
        *,
        registrar: str,
        hop: Hop,
        identity: str,
        credentials: Credentials | None,
        expires: int = 600,
        clock: Clock | None = None,
    ) -> None:
        """`registrar`: Request-URI, e.g. "sip:trunk.example"; `identity`: the URI to register."""
        self._agent = agent
        self._registrar = registrar
        self._hop = hop
        self._identity = NameAddr(identity)
        self._authorizer = Authorizer(credentials)
        self._expires = expires
        self._clock = clock or SystemClock()
        self._call_id = f"{new_tag()}{new_tag()}"
        self._cseq = 0
        self._task: asyncio.Task[None] | None = None
        self._breath: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._state = RegistrationState(RegistrationStatus.STOPPED)

    @property
    def state(self) -> RegistrationState:
        return self._state

    async def changed(self) -> RegistrationState:
        """Waits for the next state."""
        await self._changed.wait()
        return self._state

    def start(self) -> None:
        if self._task is None:
            self._become(RegistrationState(RegistrationStatus.TRYING))
            self._task = asyncio.get_running_loop().create_task(self._stay_registered())
            self._breath = asyncio.get_running_loop().create_task(self._keep_alive())

    async def stop(self) -> None:
        """Unregisters if registered; waits for that answer no longer than the transaction does."""
        if self._task is None or self._breath is None:
            return
        self._task.cancel()
        self._breath.cancel()
        await asyncio.gather(self._task, self._breath, return_exceptions=True)
        self._task = self._breath = None
        if self._state.status is RegistrationStatus.REGISTERED:
            await self._register(0)
        self._become(RegistrationState(RegistrationStatus.STOPPED))

    async def _stay_registered(self) -> None:
        retry = _FIRST_RETRY
        while True:
            outcome = await self._register(self._expires)
            if outcome.ok:
                granted = self._granted(outcome)
                self._become(
                    RegistrationState(RegistrationStatus.REGISTERED, outcome.code, outcome.reason, granted)
                )
                retry = _FIRST_RETRY
                await self._clock.sleep(granted * random.uniform(0.5, 0.9))
            else:
                log.warning("sip.registration_failed", registrar=self._registrar, code=outcome.code)
                self._become(_failed(outcome))
                if outcome.code == 423:
                    self._expires = self._longer(outcome)
                await self._clock.sleep(retry * random.uniform(0.5, 1.0))
                retry = min(2 * retry, _LAST_RETRY)

    async def _keep_alive(self) -> None:
        while True:
            await self._clock.sleep(_KEEP_ALIVE)
            if self._state.status is RegistrationStatus.REGISTERED:
                await self._agent.keep_alive(self._hop)

    async def _register(self, expires: int) -> Outcome:
        outcome = await self._agent.request(
            "REGISTER",
            target=self._registrar,
            hop=self._hop,
            local=self._identity,
            remote=self._identity,
            call_id=self._call_id,
            cseq=self._cseq + 1,
            headers=[("Expires", str(expires))],
            authorizer=self._authorizer,
        )
        self._cseq = max(outcome.cseq, self._cseq + 1)
        return outcome

    def _granted(self, outcome: Outcome) -> int:
        """Seconds: the `expires` of our Contact, else the Expires header, else what we asked for (§10.3)."""
        assert outcome.response is not None
        found = [outcome.response.header("Expires")]
        for value in outcome.response.listed("Contact"):
            try:
                contact = NameAddr.parse(value)
            except MalformedAddress:
                continue
            if contact.user == self._identity.user and "expires" in contact.params:
                found.insert(0, contact.params["expires"])
        granted = next((int(text) for text in found if text.isdecimal() and len(text) < 8), self._expires)
        return max(granted, 10)

    def _longer(self, outcome: Outcome) -> int:
        assert outcome.response is not None
        wanted = outcome.response.header("Min-Expires")
        return min(int(wanted), 86_400) if wanted.isdecimal() and len(wanted) < 8 else self._expires

    def _become(self, state: RegistrationState) -> None:
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()


def _failed(outcome: Outcome) -> RegistrationState:
    """Without an answer there is no code of theirs to show."""
    if outcome.response is not None:
        return RegistrationState(RegistrationStatus.FAILED, outcome.code, outcome.reason)
    reason = "no answer" if outcome.code == 408 else "could not be sent: no such name, or no way there"
    return RegistrationState(RegistrationStatus.FAILED, None, reason)
