"""Money in suspense goes back through Daraja once, whatever becomes of the request and of its result."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from payments.office import Office
from sautikitd.identity.audit import OPERATOR
from sautikitd.payments.daraja.credential import security_credential
from sautikitd.payments.errors import DarajaRefused, ReversalUnderWay
from sautikitd.payments.models import Payment, Source
from sautikitd.payments.request_repository import claim_checks

PHONE = "+254712340080"


async def in_suspense(office: Office) -> UUID:
    """A payment that M-PESA knows and that names nobody."""
    paid, _ = await office.mpesa.pay_paybill(PHONE.removeprefix("+"), 42, "rent")
    assert paid is not None
    payment = Payment(
        mode="test", source=Source.C2B, receipt=paid.receipt, amount_minor=4_200, reference="rent"
    )
    async with office.database.transaction() as connection:
        await office.settlement.receive(connection, payment)
    case_id: UUID = await office.value("SELECT id FROM suspense_cases")
    return case_id


async def states(office: Office) -> tuple[str, str, str]:
    return (
        await office.value("SELECT state FROM suspense_cases"),
        await office.value("SELECT place FROM mpesa_receipts"),
        await office.value("SELECT state FROM mpesa_requests WHERE kind = 'reversal'"),
    )


BACK = ("reversed", "reversed", "done")


@pytest.mark.parametrize("fault", [{}, {"callbacks": 2}, {"late": True}, {"answer": "lost"}])
async def test_the_case_closes_when_the_result_comes(office: Office, fault: dict[str, Any]) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, **fault)
    await office.parts.reversals.request(case_id, "Nobody's")
    await office.settle()
    assert await states(office) == BACK
    assert office.simulator.initiator.reversals_heard == 1
    await office.require_right_books()


@pytest.mark.parametrize("fault", [{"callbacks": 0}, {"callbacks": 0, "answer": "lost"}])
async def test_a_result_that_never_comes_is_found_by_asking_for_the_status(
    office: Office, fault: dict[str, Any]
) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, **fault)
    await office.parts.reversals.request(case_id, "Nobody's")
    await office.settle()
    assert await states(office) == ("open", "suspense", "waiting")
    with pytest.raises(ReversalUnderWay):
        await office.parts.reversals.request(case_id, "Again")
    async with office.database.transaction() as connection:
        with pytest.raises(ReversalUnderWay):
            await office.suspense.assign(connection, case_id, office.workspace.id, "His", OPERATOR)
    office.clock.advance(301)
    await office.parts.reversals.check()
    await office.settle()
    assert await states(office) == BACK
    assert office.simulator.initiator.reversals_heard == 1
    await office.require_right_books()


async def test_a_reversal_that_was_turned_away_may_be_asked_for_again(office: Office) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, answer="spike", taken=False)
    with pytest.raises(DarajaRefused):
        await office.parts.reversals.request(case_id, "Nobody's")
    assert await states(office) == ("open", "suspense", "refused")
    office.script(PHONE)
    await office.parts.reversals.request(case_id, "Nobody's")
    await office.settle()
    assert await office.value("SELECT state FROM suspense_cases") == "reversed"


async def test_a_result_is_taken_on_its_own_path_only(office: Office) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, callbacks=0)
    request = await office.parts.reversals.request(case_id, "Nobody's")
    body = {"Result": {"ResultCode": "0"}}
    forged = f"/callbacks/request/{request.id.hex}/{'0' * 40}/result"
    assert (await office.client.post(forged, json=body)).status_code == 404
    timed_out = {"Result": {"ResultCode": "1"}}
    assert (
        await office.client.post(office.paths.request(request.id, "timeout"), json=timed_out)
    ).status_code == 200
    await office.settle()
    assert await states(office) == ("open", "suspense", "waiting")
    assert (
        await office.client.post(office.paths.request(request.id, "result"), json=body)
    ).status_code == 200
    await office.settle()
    assert await states(office) == BACK


async def test_staff_may_ask_what_became_of_a_receipt(office: Office) -> None:
    await in_suspense(office)
    query_id = await office.parts.reversals.ask_status("test", office.mpesa.paid[0].receipt)
    await office.settle()
    told = await office.value(
        "SELECT told || ' ' || told_amount_minor FROM mpesa_requests WHERE id = $1", query_id
    )
    assert told == "Completed 4200"


def test_the_password_is_encrypted_for_the_holder_of_the_certificate() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Daraja")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    sealed = base64.b64decode(security_credential("Safaricom123!", certificate))
    assert key.decrypt(sealed, padding.PKCS1v15()) == b"Safaricom123!"


async def test_a_reversal_is_in_the_audit_log_from_when_it_was_asked_for(office: Office) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, callbacks=0)
    await office.parts.reversals.request(case_id, "Nobody's")
    told = await office.value(
        "SELECT detail->>'reason' FROM audit_log WHERE action = 'suspense.reversal_request' AND target = $1",
        str(case_id),
    )
    assert told == "Nobody's"


async def test_a_reversal_without_a_result_is_asked_about_ever_more_rarely(office: Office) -> None:
    case_id = await in_suspense(office)
    office.script(PHONE, callbacks=0)
    await office.parts.reversals.request(case_id, "Nobody's")
    gaps = []
    for _ in range(70):
        due = await office.value("SELECT next_check_at FROM mpesa_requests WHERE kind = 'reversal'")
        gaps.append(round((due - office.clock.now()).total_seconds()))
        office.clock.advance(gaps[-1])
        async with office.database.transaction() as connection:
            assert len(await claim_checks(connection, office.clock.now())) == 1
            assert await claim_checks(connection, office.clock.now()) == []
    assert gaps[:12] == [300] * 12
    assert gaps[12:59] == [3600] * 47
    assert set(gaps[60:]) == {86400}


async def test_a_request_that_was_answered_is_never_open_again(office: Office) -> None:
    await office.parts.reversals.request(await in_suspense(office), "Nobody's")
    await office.settle()
    for state in ("sending", "waiting", "refused"):
        with pytest.raises(asyncpg.CheckViolationError):
            await office.value("UPDATE mpesa_requests SET state = $1 WHERE kind = 'reversal'", state)
