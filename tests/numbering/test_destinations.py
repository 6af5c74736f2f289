import pytest

from sautikitd.errors import Invalid
from sautikitd.numbering.destinations import Destination, authorise_destination
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbering.parse import NumberClass

KENYA = ["254"]


def test_kenyan_geographic_and_mobile_numbers_are_open() -> None:
    assert authorise_destination("0712 345 678", KENYA) == Destination(
        e164="+254712345678", country="KE", kind=NumberClass.MOBILE
    )
    assert authorise_destination("+254203456789", KENYA).kind is NumberClass.GEOGRAPHIC


@pytest.mark.parametrize(
    "raw", ["0900212345", "0800723456", "+256772123456", "+881612345678", "+12025550123", "+447400123456"]
)
def test_everything_else_is_closed(raw: str) -> None:
    with pytest.raises(DestinationForbidden):
        authorise_destination(raw, KENYA)


@pytest.mark.parametrize(
    ("raw", "prefix"),
    [("+256772123456", "256"), ("0900212345", "2549002"), ("+881612345678", "881"), ("0712345678", "254712")],
)
def test_a_prefix_that_names_a_destination_opens_it(raw: str, prefix: str) -> None:
    assert authorise_destination(raw, [prefix]).e164[1:].startswith(prefix)


def test_a_country_code_does_not_open_its_premium_numbers() -> None:
    with pytest.raises(DestinationForbidden, match="premium"):
        authorise_destination("+254900212345", ["254", "256"])


def test_a_workspace_without_destinations_may_call_nobody() -> None:
    with pytest.raises(DestinationForbidden):
        authorise_destination("0712345678", [])


def test_emergency_numbers_are_refused_before_anything_else() -> None:
    for raw in ("999", "tel:+254-112", "sip:911@host.example"):
        with pytest.raises(EmergencyUnsupported):
            authorise_destination(raw, [])


def test_what_is_no_number_is_reported_where_it_stood() -> None:
    with pytest.raises(Invalid) as refused:
        authorise_destination("O712345678", KENYA, pointer="/to/1")
    assert [problem.pointer for problem in refused.value.fields] == ["/to/1"]
