"""Trunks by command line: sealed passwords, and explanations instead of time-outs."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from sautikitd.cli.exits import Exit
from sautikitd.cli.trunk import PASSWORD_VARIABLE
from sautikitd.cli.trunk_options import terms_of

Command = Callable[..., Any]


@pytest.fixture
def carrier_port() -> Iterator[int]:
    """A far end on UDP that answers any request with 200, its Via, From, To, Call-ID and CSeq given back."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            data, source = server.recvfrom(4096)
            if not data:
                return
            kept = [
                line
                for line in data.decode().split("\r\n")
                if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq")
            ]
            reply = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
            server.sendto(reply.encode(), source)

    thread = threading.Thread(target=answer)
    thread.start()
    yield server.getsockname()[1]
    server.sendto(b"", server.getsockname())
    thread.join()
    server.close()


def test_a_trunk_that_answers_is_reported_with_its_round_trip(sautikitd: Command, carrier_port: int) -> None:
    added = sautikitd("trunk", "add", "ke", "--host", "127.0.0.1", "--port", str(carrier_port), "--json")
    assert added.data["trunk"]["state"] == "unknown"
    checked = sautikitd("trunk", "check", "ke", "--json")
    assert checked.status == Exit.OK
    assert checked.data["check"]["code"] == 200
    assert checked.data["check"]["milliseconds"] < 2000


def test_a_trunk_that_refuses_connections_is_explained_and_ends_with_1(sautikitd: Command) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = str(held.getsockname()[1])
        sautikitd("trunk", "add", "dead", "--host", "127.0.0.1", "--port", port, "--transport", "tcp")
        checked = sautikitd("trunk", "check", "dead", "--json")
    assert checked.status == Exit.FOUND
    assert "nothing listens on that port" in checked.data["check"]["explanation"]


def test_a_trunk_password_comes_from_standard_input_and_is_sealed(sautikitd: Command, owner_url: str) -> None:
    add = ("trunk", "add", "reg", "--host", "127.0.0.1", "--port", "5060", "--username", "254200000001")
    added = sautikitd(*add, "--register", "--password-stdin", "--json", stdin="s3cret-pass\n")
    assert added.status == Exit.OK
    assert "s3cret-pass" not in added.output

    async def stored() -> tuple[bytes, str]:
        connection = await asyncpg.connect(owner_url)
        try:
            row = await connection.fetchrow("SELECT password_encrypted, trunks::text AS whole FROM trunks")
            return row["password_encrypted"], row["whole"]
        finally:
            await connection.close()

    sealed, whole = asyncio.run(stored())
    assert sealed
    assert b"s3cret-pass" not in sealed
    assert "s3cret-pass" not in whole


def test_a_trunk_password_may_come_from_a_variable_but_must_come(
    sautikitd: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ("trunk", "add", "reg", "--host", "127.0.0.1", "--username", "u", "--json")
    missing = sautikitd(*add)
    assert missing.status == Exit.USAGE
    assert PASSWORD_VARIABLE in missing.data["error"]["message"]
    monkeypatch.setenv(PASSWORD_VARIABLE, "from-the-environment")
    assert sautikitd(*add).status == Exit.OK


def test_names_are_unique_and_free_again_after_removal(sautikitd: Command) -> None:
    add = ("trunk", "add", "ke", "--host", "127.0.0.1", "--json")
    assert sautikitd(*add).status == Exit.OK
    assert sautikitd(*add).data["error"]["code"] == "trunks.name_taken"
    assert sautikitd("trunk", "remove", "ke").status == Exit.OK
    assert sautikitd("trunk", "remove", "ke", "--json").data["error"]["code"] == "trunks.not_found"
    assert sautikitd(*add).status == Exit.OK
    assert [trunk["name"] for trunk in sautikitd("trunk", "list", "--json").data["trunks"]] == ["ke"]


def test_a_trunk_that_cannot_be_is_refused_by_field(sautikitd: Command) -> None:
    answer = sautikitd("trunk", "add", "x", "--host", "no host", "--port", "0", "--source", "here", "--json")
    assert answer.status == Exit.REFUSED
    pointers = [field["pointer"] for field in answer.data["error"]["fields"]]
    assert pointers == ["/host", "/port", "/source_cidrs/0"]


def test_a_trunk_is_changed_where_it_is_told_and_shown_whole(sautikitd: Command) -> None:
    add = ("trunk", "add", "ke", "--host", "127.0.0.1", "--prefix", "25471", "--prefix", "25472")
    assert sautikitd(*add, "--max-channels", "30", "--called-form", "national").status == Exit.OK
    edit = ("--clear", "prefixes", "--max-cps", "2.5", "--proxy", "192.0.2.7:5070", "--transport", "tcp")
    edited = sautikitd("trunk", "edit", "ke", *edit, "--disable", "--json")
    assert edited.status == Exit.OK
    shown = sautikitd("trunk", "show", "ke", "--json").data["trunk"]
    assert shown["prefixes"] == []
    assert (shown["max_channels"], shown["max_cps"], shown["called_form"]) == (30, 2.5, "national")
    assert (shown["proxy_host"], shown["proxy_port"], shown["transport"]) == ("192.0.2.7", 5070, "tcp")
    assert shown["enabled"] is False


def test_what_cannot_be_is_refused_at_a_change_too(sautikitd: Command) -> None:
    sautikitd("trunk", "add", "ke", "--host", "127.0.0.1")
    refused = sautikitd("trunk", "edit", "ke", "--register", "--weight", "0", "--tls-name", "x", "--json")
    assert refused.status == Exit.REFUSED
    pointers = [field["pointer"] for field in refused.data["error"]["fields"]]
    assert pointers == ["/tls_name", "/register", "/weight"]
    assert sautikitd("trunk", "edit", "nobody", "--json").data["error"]["code"] == "trunks.not_found"


def test_a_password_can_be_changed_and_taken_away(sautikitd: Command) -> None:
    sautikitd("trunk", "add", "ke", "--host", "127.0.0.1")
    edit = ("trunk", "edit", "ke", "--username", "duka", "--password-stdin", "--register")
    assert sautikitd(*edit, stdin="siri\n").status == Exit.OK
    assert sautikitd("trunk", "show", "ke", "--json").data["trunk"]["register"] is True
    assert sautikitd("trunk", "edit", "ke", "--clear", "username").status == Exit.OK
    shown = sautikitd("trunk", "show", "ke", "--json").data["trunk"]
    assert (shown["username"], shown["register"]) == (None, False)


def test_a_tls_trunk_takes_the_port_of_tls(sautikitd: Command) -> None:
    sautikitd("trunk", "add", "ke", "--host", "sip.example.co.ke", "--transport", "tls")
    assert sautikitd("trunk", "show", "ke", "--json").data["trunk"]["port"] == 5061


def test_a_name_without_a_port_is_looked_up_by_srv_and_an_address_or_a_port_is_not(
    sautikitd: Command,
) -> None:
    for name, *where in (
        ("by-name", "--host", "sip.example.co.ke"),
        ("by-port", "--host", "sip.example.co.ke", "--port", "5070"),
        ("by-address", "--host", "192.0.2.7"),
        ("by-proxy", "--host", "sip.example.co.ke", "--proxy", "192.0.2.8:5060"),
        ("not-so", "--host", "sip.example.co.ke", "--no-srv"),
    ):
        sautikitd("trunk", "add", name, *where)
    shown = {one["name"]: one["srv"] for one in sautikitd("trunk", "list", "--json").data["trunks"]}
    assert [name for name, srv in shown.items() if srv] == ["by-name"]


def test_the_place_of_a_proxy_is_read_in_all_its_forms() -> None:
    places = {
        "proxy.example": ("proxy.example", 5060),
        "proxy.example:5080": ("proxy.example", 5080),
        "2001:db8::1": ("2001:db8::1", 5060),
        "[2001:db8::1]:5080": ("2001:db8::1", 5080),
    }
    for text, (host, port) in places.items():
        assert terms_of({"proxy": text}) == {"proxy_host": host, "proxy_port": port, "srv": False}
    assert terms_of({"proxy": "proxy.example"}, transport="tls")["proxy_port"] == 5061
