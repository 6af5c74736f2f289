"""The messages of RFC 4475, section by section: the oddity of each kept, the rest shortened.

`verdict` is what our agent does: the status it answers, None for no answer (ACKs and responses, and what
cannot be read: we drop that in silence, where the RFC would have a 400, so that scanners learn nothing).
"""

from dataclasses import dataclass

BUSY = 486  # the agent under test refuses every call that it takes
SDP = "v=0\no=m 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 49217 RTP/AVP 0\n"
VIA = "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bK{}"


@dataclass(frozen=True)
class Torture:
    section: str
    name: str
    data: bytes
    verdict: int | None


def written(name: str, start: str, lines: list[str], body: str) -> bytes:
    """With the usual headers, but for those that `lines` has; an empty line there only takes one away."""
    method = start.split()[0] if not start.startswith("SIP/") else "OPTIONS"
    usual = [
        VIA.format(name),
        f"From: <sip:caller@example.net>;tag={name}",
        "To: <sip:user@example.com>",
        f"Call-ID: {name}@example.net",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        "Contact: <sip:caller@127.0.0.1>",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body.replace(chr(10), chr(13) + chr(10)))}",
    ]
    given = {line.partition(":")[0].strip().lower() for line in lines}
    kept = [line for line in usual if line.partition(":")[0].lower() not in given]
    text = "\n".join([start, *kept, *(line for line in lines if not line.endswith(":")), "", ""])
    return (text + body).replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def case(section: str, name: str, verdict: int | None, start: str, *lines: str, body: str = "") -> Torture:
    return Torture(section, name, written(name, start, list(lines), body), verdict)


INVITE = "INVITE sip:user@example.com SIP/2.0"
OPTIONS = "OPTIONS sip:user@example.com SIP/2.0"
REGISTER = "REGISTER sip:example.com SIP/2.0"
ODD_METHOD = "!interesting-Method0123456789_*+`.%indeed'~"

VALID = [
    case(
        "3.1.1.1",
        "wsinv",
        BUSY,
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
        "TO :\n sip:vivekg@chair-dnrc.example.com ;   z    = 1918181833n",
        'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8',
        "MaX-fOrWaRdS: 0068",
        "cseq: 0009\n  INVITE",
        "s :X",
        "Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
        'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  secondparam ; q = 0.33',
        body=SDP,
    ),
    case(
        "3.1.1.2",
        "intmeth",
        501,
        f"{ODD_METHOD} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com SIP/2.0",
    ),
    case("3.1.1.3", "esc01", BUSY, "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", body=SDP),
    case(
        "3.1.1.4",
        "escnull",
        405,
        REGISTER,
        "To: sip:null-%00-null@example.com",
        "Contact: <sip:%00@host5.example.com>",
    ),
    case(
        "3.1.1.5",
        "esc02",
        501,
        "RE%47IST%45R sip:registrar.example.com SIP/2.0",
        'To: "%Z%45" <sip:resource@example.com>',
    ),
    case("3.1.1.6", "lwsdisp", 200, OPTIONS, "From: caller<sip:caller@example.com>;tag=323"),
    case(
        "3.1.1.7",
        "longreq",
        BUSY,
        INVITE,
        f'To: "I have a user name of {"extreme" * 30} proportion" <sip:user@example.com:6000;{"long" * 40}=x>',
        f"Unknown-{'Long' * 25}-Name: unknown-{'long' * 40}-value",
        *(f"Route: <sip:hop{n}.example.com;lr>" for n in range(30)),
        body=SDP,
    ),
    Torture("3.1.1.8", "dblreq", written("dblreq", REGISTER, [], "") + written("dbl2", INVITE, [], SDP), 405),
    case("3.1.1.9", "semiuri", 200, "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
    case(
        "3.1.1.10",
        "transports",
        200,
        OPTIONS,
        "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\nVia: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf",
        "X-More: X",
        "v: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKkdjuw39",
    ),
    case(
        "3.1.1.11",
        "mpart01",
        405,
        "MESSAGE sip:kumiko@example.org SIP/2.0",
        'Content-Type: multipart/mixed;boundary="7a9cbec02ceef655"',
        body="--7a9cbec02ceef655\nContent-Type: text/plain\n\nHello\n--7a9cbec02ceef655--\n",
    ),
    case(
        "3.1.1.12",
        "unreason",
        None,
        "SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e \u0434\u0435\u0432\u044f\u043d\u043e\u0441\u0442\u043e",
    ),
    case("3.1.1.13", "noreason", None, "SIP/2.0 100 "),
]
INVALID = [
    case("3.1.2.1", "badinv01", BUSY, INVITE, 'Contact: "Joe" <sip:joe@example.org>;;;;', body=SDP),
    case("3.1.2.2", "clerr", None, INVITE, "Content-Length: 9999", body=SDP),
    case("3.1.2.3", "ncl", None, INVITE, "Content-Length: -999", body=SDP),
    case(
        "3.1.2.4",
        "scalar02",
        None,
        REGISTER,
        "CSeq: 36893488147419103232 REGISTER",
        "Max-Forwards: 300",
        "Expires: 1000000000000000000000000000",
    ),
    case(
        "3.1.2.5",
        "scalarlg",
        None,
        "SIP/2.0 503 Service Unavailable",
        "CSeq: 9292394834772304023312 OPTIONS",
        "Retry-After: 949302838503028349304023988",
    ),
    case("3.1.2.6", "quotbal", None, INVITE, 'To: "Mr. J. User <sip:j.user@example.com>', body=SDP),
    case("3.1.2.7", "ltgtruri", None, "INVITE <sip:user@example.com> SIP/2.0", body=SDP),
    case("3.1.2.8", "lwsruri", None, "INVITE sip:user@example.com; lr SIP/2.0", body=SDP),
    case("3.1.2.9", "lwsstart", None, "INVITE  sip:user@example.com  SIP/2.0", body=SDP),
    case("3.1.2.10", "trws", None, "OPTIONS sip:remote-target@example.com SIP/2.0  "),
    case(
        "3.1.2.11",
        "escruri",
        BUSY,
        "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
        body=SDP,
    ),
    case("3.1.2.12", "baddate", BUSY, INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST", body=SDP),
    case(
        "3.1.2.13", "regbadct", 405, REGISTER, "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    ),
    case(
        "3.1.2.14",
        "badaspec",
        200,
        OPTIONS,
        'From: "Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423',
        "To: Watson, Thomas <sip:t.watson@example.org>",
    ),
    case("3.1.2.15", "baddn", 200, OPTIONS, "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
    case("3.1.2.16", "badvers", None, "OPTIONS sip:t.watson@example.org SIP/7.0"),
    case("3.1.2.17", "mismatch01", 400, OPTIONS, "CSeq: 8 INVITE"),
    case("3.1.2.18", "mismatch02", 400, "NEWMETHOD sip:user@example.com SIP/2.0", "CSeq: 8 INVITE"),
    case("3.1.2.19", "bigcode", None, "SIP/2.0 4294967301 better not break the receiver"),
]
LAYERED = [
    case("3.2.1", "badbranch", 200, OPTIONS, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
    case("3.3.1", "insuf", None, INVITE, "Call-ID:", "From:", "To:", body=SDP),
    case("3.3.2", "unkscm", None, "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
    case("3.3.3", "novelsc", None, "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"),
    case("3.3.4", "unksm2", 405, REGISTER, "To: isbn:2983792873", "Contact: <name:John_Smith>"),
    case(
        "3.3.5",
        "bext01",
        420,
        OPTIONS,
        "Proxy-Require: noProxiesSupportThis",
        "Require: nothingSupportsThis, nothingSupportsThisEither",
    ),
    case(
        "3.3.6", "invut", 415, INVITE, "Content-Type: application/unknownformat", body="<audio>\n</audio>\n"
    ),
    case("3.3.7", "regaut01", 405, REGISTER, "Authorization: NoOneKnowsThisScheme opaque-data=here"),
    case(
        "3.3.8",
        "multi01",
        None,
        INVITE,
        "CSeq: 5 INVITE\nCSeq: 59 INVITE",
        "From: <sip:a@b>;tag=1\nFrom: <sip:c@d>;tag=2",
        body=SDP,
    ),
    case(
        "3.3.9",
        "mcl01",
        None,
        OPTIONS,
        "Content-Length: 13\nContent-Length: 5",
        body="There's no way to know how many octets\n",
    ),
    case(
        "3.3.10",
        "bcast",
        None,
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
        "CSeq: 1 INVITE",
        body=SDP,
    ),
    case("3.3.11", "zeromf", 200, OPTIONS, "Max-Forwards: 0"),
    case("3.3.12", "cparam01", 405, REGISTER, "Contact: sip:+19725552222@gw1.example.net;unknownparam"),
    case("3.3.13", "cparam02", 405, REGISTER, "Contact: <sip:+19725552222@gw1.example.net;unknownparam>"),
    case(
        "3.3.14", "regescrt", 405, REGISTER, "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"
    ),
    case("3.3.15", "sdp01", BUSY, INVITE, "Accept: text/nobodyKnowsThis", body=SDP),
    case(
        "3.4.1",
        "inv2543",
        BUSY,
        "INVITE sip:UserB@example.com SIP/2.0",
        "Via: SIP/2.0/UDP iftgw.example.com;branch=1",
        "From: <sip:+13035551111@ift.client.example.net;user=phone>",
        "CSeq: 56 INVITE",
        "Max-Forwards:",
        body=SDP,
    ),
]
MESSAGES = [*VALID, *INVALID, *LAYERED]
