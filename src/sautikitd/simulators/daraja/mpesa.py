"""The simulated M-PESA behind the simulated Daraja: prompts, PINs, money, and who is told of it."""

import asyncio
import hashlib
import secrets
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog

from sautikitd.clock import NAIROBI, Clock
from sautikitd.simulators.daraja.behaviours import RESULT_WORDS, Behaviour, behaviour_of
from sautikitd.simulators.daraja.pushes import (
    Paid,
    Prompt,
    Registration,
    masked,
    new_checkout_id,
    new_receipt,
)

log = structlog.get_logger()

PIN = "1234"
"""The PIN of every simulated phone."""

_CALLBACK_SECONDS = 10
_VALIDATION_SECONDS = 8
_REMEMBERED = 20_000
_LASTING = timedelta(seconds=60)


class PushRefused(Exception):
    """A push is open on this phone already."""


class SimulatedMpesa:
    """`think_s`: how long a phone takes to answer; `late_s`: how much later what is late comes. Callbacks go out once."""

    def __init__(self, clock: Clock, shortcode: str, *, think_s: float = 3.0, late_s: float = 45.0) -> None:
        self.clock = clock
        self.shortcode = shortcode
        self.think_s = think_s
        self.late_s = late_s
        self.prompts: dict[str, Prompt] = {}
        self.paid: list[Paid] = []
        self.scripts: dict[str, Behaviour] = {}
        self.registration: Registration | None = None
        self._open: dict[str, Prompt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()  # for a person
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "SimulatedMpesa":
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_CALLBACK_SECONDS), trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http:
            await self._http.close()

    @property
    def busy(self) -> bool:
        """Whether anything is still to come by itself: an answer, a callback, late money."""
        return bool(self._tasks)

    def behaviour(self, phone: str, shillings: int) -> Behaviour:
        """A script for the phone goes before the tables."""
        return self.scripts.get(phone) or behaviour_of(phone, shillings)

    def open_prompt(self, phone: str) -> Prompt | None:
        prompt = self._open.get(phone)
        if prompt and prompt.open and self.clock.now() - prompt.asked_at > _LASTING:
            return None
        return prompt if prompt and prompt.open else None

    def push(self, phone: str, shillings: int, reference: str, callback_url: str) -> Prompt:
        """Shows a prompt. Raises `PushRefused` while another is open on the phone."""
        if self.open_prompt(phone):
            raise PushRefused
        now = self.clock.now()
        prompt = Prompt(
            merchant_request_id=f"{secrets.token_hex(2)}-{secrets.token_hex(4)}-1",
            checkout_request_id=new_checkout_id(now, phone),
            phone=phone,
            shillings=shillings,
            reference=reference,
            callback_url=callback_url,
            behaviour=self.behaviour(phone, shillings),
            asked_at=now,
        )
        self._remember(prompt)
        if prompt.behaviour.person:
            _keep(self._waiting, self._give_up_waiting(prompt))
        elif not prompt.behaviour.callback_first:
            self._start(self._answer_by_itself(prompt))
        return prompt

    async def answer_first(self, prompt: Prompt) -> None:
        """For a phone that is quicker than the response to the push."""
        await self._conclude(prompt, prompt.behaviour.result)

    async def enter_pin(self, phone: str, pin: str) -> None:
        """What a person does on the page."""
        if prompt := self.open_prompt(phone):
            await self._conclude(prompt, "0" if pin == PIN else "2001")

    async def cancel(self, phone: str) -> None:
        if prompt := self.open_prompt(phone):
            await self._conclude(prompt, "1032")

    async def pay_paybill(self, phone: str, shillings: int, reference: str) -> tuple[Paid | None, str]:
        """A person pays the Paybill by hand: (payment, "") or (None, the code it was refused with)."""
        behaviour = self.behaviour(phone, shillings)
        payment = self._payment(phone, shillings, reference)
        refused = await self._validate(payment)
        if refused:
            return None, refused
        self.paid.append(payment)
        for _ in range(behaviour.callbacks):
            self._start(self._confirm(payment, late=behaviour.late))
        return payment, ""

    async def _answer_by_itself(self, prompt: Prompt) -> None:
        await asyncio.sleep(self.think_s)
        if prompt.open:
            await self._conclude(prompt, prompt.behaviour.result)
        if prompt.behaviour.pays_late:
            await asyncio.sleep(self.late_s)
            await self._conclude(prompt, "0")

    async def _give_up_waiting(self, prompt: Prompt) -> None:
        await asyncio.sleep(_LASTING.total_seconds())
        if prompt.open:
            await self._conclude(prompt, "1037")

    async def _conclude(self, prompt: Prompt, result: str) -> None:
        behaviour = prompt.behaviour
        prompt.result = result
        if self._open.get(prompt.phone) is prompt:
            del self._open[prompt.phone]
        if result == "0":
            payment = self._payment(
                prompt.phone,
                prompt.shillings + behaviour.extra_shillings,
                prompt.reference,
                prompt.checkout_request_id,
            )
            prompt.receipt = payment.receipt
            self.paid.append(payment)
            for _ in range(behaviour.confirmations):
                self._start(self._confirm(payment))
        body = self._callback(prompt)
        if behaviour.callback_first:
            await self._post(prompt.callback_url, body)
        for _ in range(behaviour.callbacks - behaviour.callback_first):
            self._start(self._tell(prompt.callback_url, body, late=behaviour.late))

    def _payment(self, phone: str, shillings: int, reference: str, checkout_id: str = "") -> Paid:
        return Paid(
            receipt=new_receipt(),
            phone=phone,
            shillings=shillings,
            reference=reference,
            paid_at=self.clock.now(),
            checkout_request_id=checkout_id,
        )

    def _callback(self, prompt: Prompt) -> dict[str, Any]:
        told: dict[str, Any] = {
            "MerchantRequestID": prompt.merchant_request_id,
            "CheckoutRequestID": prompt.checkout_request_id,
            "ResultCode": int(prompt.result) if prompt.result.isdigit() else prompt.result,
            "ResultDesc": RESULT_WORDS.get(prompt.result, "Unknown"),
        }
        if prompt.result == "0":
            told["CallbackMetadata"] = {
                "Item": [
                    {"Name": "Amount", "Value": float(prompt.shillings + prompt.behaviour.extra_shillings)},
                    {"Name": "MpesaReceiptNumber", "Value": prompt.receipt},
                    {"Name": "Balance"},
                    {"Name": "TransactionDate", "Value": int(_stamp(self.clock.now()))},
                    {"Name": "PhoneNumber", "Value": int(prompt.phone)},
                ]
            }
        return {"Body": {"stkCallback": told}}

    async def _validate(self, payment: Paid) -> str:
        """Empty to go on. A validation that is not answered counts as the registered default."""
        if self.registration is None:
            return ""
        body = self._c2b(payment)
        try:
            async with asyncio.timeout(_VALIDATION_SECONDS):
                answer = await self._post(self.registration.validation_url, body)
        except TimeoutError:
            answer = None
        if answer is None:
            return "" if self.registration.response_type == "Completed" else "C2B00016"
        code = str(answer.get("ResultCode", "0"))
        return "" if code == "0" else code

    async def _confirm(self, payment: Paid, *, late: bool = False) -> None:
        if self.registration is not None:
            await self._tell(self.registration.confirmation_url, self._c2b(payment), late=late)

    def _c2b(self, payment: Paid) -> dict[str, Any]:
        hidden = self.registration is None or self.registration.masked
        hashed = hashlib.sha256(payment.phone.encode()).hexdigest()
        return {
            "TransactionType": "Pay Bill",
            "TransID": payment.receipt,
            "TransTime": _stamp(payment.paid_at),
            "TransAmount": f"{payment.shillings}.00",
            "BusinessShortCode": self.shortcode,
            "BillRefNumber": payment.reference,
            "InvoiceNumber": "",
            "OrgAccountBalance": "",
            "ThirdPartyTransID": "",
            "MSISDN": masked(payment.phone) if hidden else hashed,
            "FirstName": "WANJIRU",
            "MiddleName": "",
            "LastName": "",
        }

    def post_later(self, url: str, body: dict[str, Any], *, late: bool) -> None:
        """Posts it by itself, once, `late_s` late or at once."""
        self._start(self._tell(url, body, late=late))

    async def _tell(self, url: str, body: dict[str, Any], *, late: bool) -> None:
        if late:
            await asyncio.sleep(self.late_s)
        await self._post(url, body)

    async def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Once, as Daraja does: who does not take it does not get it again."""
        assert self._http is not None
        try:
            async with self._http.post(url, json=body) as response:
                answer = await response.json(content_type=None) if response.status == 200 else None
                return answer if isinstance(answer, dict) else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            log.info("simulated callback was not taken", error=repr(exc)[:200])
            return None

    def _remember(self, prompt: Prompt) -> None:
        self.prompts[prompt.checkout_request_id] = prompt
        self._open[prompt.phone] = prompt
        while len(self.prompts) > _REMEMBERED:
            self.prompts.pop(next(iter(self.prompts)))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        _keep(self._tasks, work)


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")
