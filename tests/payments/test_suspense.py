"""What staff does with money in suspense, and the states that the database defends."""

from itertools import product
from uuid import UUID

import asyncpg
import pytest

from payments.office import Office
from sautikitd.identity.audit import OPERATOR
from sautikitd.payments.errors import CaseClosed, CaseNotFound, CaseNotReversible
from sautikitd.payments.models import TRANSITIONS, Payment, Source
from sautikitd.payments.report import daily_report


async def in_suspense(office: Office, receipt: str = "QWE1234567") -> UUID:
    payment = Payment(mode="test", source=Source.C2B, receipt=receipt, amount_minor=4_200, reference="rent")
    async with office.database.transaction() as connection:
        await office.settlement.receive(connection, payment)
    case_id: UUID = await office.value("SELECT id FROM suspense_cases WHERE receipt = $1", receipt)
    return case_id


async def test_assigned_money_is_in_the_wallet_once(office: Office) -> None:
    case_id = await in_suspense(office)
    async with office.database.transaction() as connection:
        entry = await office.suspense.assign(
            connection, case_id, office.workspace.id, "He showed it", OPERATOR
        )
    assert (entry.amount_minor, await office.balance()) == (4_200, 4_200)
    await office.require_right_books()
    async with office.database.transaction() as connection:
        with pytest.raises(CaseClosed):
            await office.suspense.assign(connection, case_id, office.workspace.id, "Again", OPERATOR)
        with pytest.raises(CaseClosed):
            await office.suspense.reverse(connection, case_id, "Again", OPERATOR)
    acts = await office.value("SELECT array_agg(action) FROM audit_log WHERE target = $1", str(case_id))
    assert acts == ["suspense.assign"]


async def test_money_sent_back_has_left_the_books(office: Office) -> None:
    case_id = await in_suspense(office)
    async with office.database.transaction() as connection:
        await office.suspense.reverse(connection, case_id, "RKL5 reversed it", OPERATOR)
    assert await office.value("SELECT place FROM mpesa_receipts") == "reversed"
    assert await office.balance() == 0
    await office.require_right_books()
    await in_suspense(office)  # the confirmation, once more
    assert await office.value("SELECT count(*) FROM suspense_cases") == 1


async def test_a_case_nobody_has_is_refused(office: Office) -> None:
    async with office.database.transaction() as connection:
        with pytest.raises(CaseNotFound):
            await office.suspense.reverse(connection, UUID(int=1), "?", OPERATOR)


@pytest.mark.parametrize("extra", [3, -3])
async def test_a_difference_is_settled_with_the_wallet_it_belongs_to(office: Office, extra: int) -> None:
    office.script("+254712340050", callbacks=0, extra_shillings=extra)
    await office.top_up("+254712340050")
    office.clock.advance(30)
    await office.settle()
    await office.later(minutes=16)
    case_id: UUID = await office.value("SELECT id FROM suspense_cases")
    async with office.database.transaction() as connection:
        with pytest.raises(CaseNotReversible):
            await office.suspense.reverse(connection, case_id, "?", OPERATOR)
        await office.suspense.assign(connection, case_id, office.workspace.id, "The rest", OPERATOR)
    assert await office.balance() == 10_000 + extra * 100
    await office.require_right_books()


async def test_the_database_allows_the_transitions_of_the_code_and_no_others(office: Office) -> None:
    async with office.database.connection() as connection:
        rows = await connection.fetch("SELECT machine, before, after FROM topup_transitions")
    held = {
        machine: frozenset((r["before"], r["after"]) for r in rows if r["machine"] == machine)
        for machine in TRANSITIONS
    }
    assert held == {
        machine: frozenset((str(a), str(b)) for a, b in pairs) for machine, pairs in TRANSITIONS.items()
    }


async def test_a_success_is_final_in_the_database(office: Office) -> None:
    topup_id = await office.top_up()
    for status, code in product(("pending", "failed"), (None, "topup.cancelled")):
        with pytest.raises(asyncpg.CheckViolationError):
            await office.value(
                "UPDATE topups SET status = $2, failure_code = $3 WHERE id = $1", topup_id, status, code
            )
    with pytest.raises(asyncpg.CheckViolationError):
        await office.value("UPDATE topups SET amount_minor = 5 WHERE id = $1", topup_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await office.value("DELETE FROM topups")


async def test_the_daily_report_holds_receipts_against_the_books(office: Office) -> None:
    await office.top_up("+254712340001")
    await office.top_up("+254712340007", 30)
    await office.top_up("+254712340003", 50)
    await in_suspense(office)
    await office.later(minutes=20)
    async with office.database.connection() as connection:
        report = await daily_report(connection, "test", office.clock.now().date(), office.clock.now())
    assert (report.receipts, report.received_minor, report.cleared_minor) == (3, 17_200, 17_200)
    assert (report.in_wallets_minor, report.in_suspense_minor) == (13_000, 4_200)
    assert (report.topups_succeeded, report.topups_failed, report.told_by_pull_alone) == (2, 1, 1)
    assert report.pushes_without_callback == 1  # of the phone whose callback is lost
    assert report.problems == []


async def test_the_report_names_money_the_books_do_not_have(office: Office, owner_url: str) -> None:
    await office.top_up()
    owner = await asyncpg.connect(owner_url)
    await owner.execute("UPDATE mpesa_receipts SET amount_minor = 1")
    await owner.close()
    async with office.database.connection() as connection:
        report = await daily_report(connection, "test", office.clock.now().date(), office.clock.now())
    assert len(report.problems) == 1
    assert "10000 in the books, 1 received" in report.problems[0]
