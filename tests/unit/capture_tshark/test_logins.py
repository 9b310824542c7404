"""Passwords in clear text: each is told with whose it is, and none is to be found in any record."""

from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest

from capture.tshark.http import parse_head
from capture.tshark.logins import NAME_LIMIT
from tests.unit.capture_tshark.conversations import CLIENT, SERVER, TcpConversation, see
from topics.records import Login

SECRET = "Pa55-of-joe"


def encoded(*words):
    return b64encode("\0".join(words).encode()).decode()


NAME, PASSWORD, PLAIN = encoded("joe"), encoded(SECRET), encoded("", "joe", SECRET)
USER_PROMPT, PASSWORD_PROMPT = encoded("Username:"), encoded("Password:")

DIALOGUES = {
    "smtp plain": (25, ["S 220 mx", "C EHLO a", "S 250 AUTH PLAIN LOGIN", f"C AUTH PLAIN {PLAIN}"]),
    "smtp plain, asked": (587, ["S 220 mx", "C EHLO a", "S 250 AUTH PLAIN", "C AUTH PLAIN", "S 334 ", f"C {PLAIN}"]),
    "smtp login": (
        25,
        [
            "S 220 mx",
            "C EHLO a",
            "S 250 AUTH LOGIN",
            "C AUTH LOGIN",
            f"S 334 {USER_PROMPT}",
            f"C {NAME}",
            f"S 334 {PASSWORD_PROMPT}",
            f"C {PASSWORD}",
        ],
    ),
    "smtp login, at once": (
        25,
        [
            "S 220 mx",
            "C EHLO a",
            "S 250 AUTH LOGIN",
            f"C AUTH LOGIN {NAME}",
            f"S 334 {PASSWORD_PROMPT}",
            f"C {PASSWORD}",
        ],
    ),
    "imap login": (143, ["S * OK", f"C a1 LOGIN joe {SECRET}"]),
    "imap login, quoted": (143, ["S * OK", f'C a1 login "joe" "{SECRET}"']),
    "imap login, literals": (143, ["S * OK", "C a1 LOGIN {3}", "S + go", "C joe {11}", "S + go", f"C {SECRET}"]),
    "imap login, literal name": (143, ["S * OK", "C a1 LOGIN {3}", "S + go", f"C joe {SECRET}"]),
    "imap plain": (143, ["S * OK", f"C a1 AUTHENTICATE PLAIN {PLAIN}"]),
    "imap plain, asked": (143, ["S * OK", "C a1 authenticate plain", "S +", f"C {PLAIN}"]),
    "imap login mechanism": (
        143,
        [
            "S * OK",
            "C a1 AUTHENTICATE LOGIN",
            f"S + {USER_PROMPT}",
            f"C {NAME}",
            f"S + {PASSWORD_PROMPT}",
            f"C {PASSWORD}",
        ],
    ),
    "pop pass": (110, ["S +OK", "C USER joe", "S +OK", f"C PASS {SECRET}"]),
    "pop plain": (110, ["S +OK", "C AUTH PLAIN", "S + ", f"C {PLAIN}"]),
    "pop login": (110, ["S +OK", "C AUTH LOGIN", "S +", f"C {NAME}", "S +", f"C {PASSWORD}"]),
    "ftp pass": (21, ["S 220 hi", "C USER joe", "S 331 and", f"C PASS {SECRET}", "S 230 in"]),
    "http basic": (80, ["C GET / HTTP/1.1", "C Host: x", f"C Authorization: Basic {encoded(f'joe:{SECRET}')}", "C "]),
}


SILENT = [
    (
        25,
        ["S 220 mx", "C EHLO a", "S 250 AUTH CRAM-MD5", "C AUTH CRAM-MD5", "S 334 PDE+", "C am9lIDEy", "S 235 ok"],
    ),
    (25, ["S 220 mx", "C EHLO a", "S 250 STARTTLS", "C STARTTLS", "S 220 go"]),
    (143, ["S * OK", "C a1 AUTHENTICATE PLAIN", "S +", "C *", "S a1 BAD", "C a2 LOGOUT"]),
    (143, ["S * OK", 'C a1 LIST "" login', "S a1 OK"]),
    (110, ["S +OK <1@x>", "C APOP joe c4c9334bac560ecc979e58001b3e22fb", "S +OK"]),
    (110, ["S +OK", "C USER joe", "S -ERR", "C QUIT"]),
    (21, ["S 220 hi", "C USER joe", "S 530 no", "C QUIT"]),
    (80, ["C GET / HTTP/1.1", "C Host: x", "C Authorization: Bearer abc.def", "C "]),
    (23, ["S Last login: Fri", "C ls", "S password: no"]),
]
"""Dialogues in which no password is sent in clear text."""


def talk_of(port, lines, client_port):
    talk = TcpConversation(port, client_port)
    request = b""
    for line in lines:
        data = line[2:].encode() + b"\r\n"
        if port == 80:
            request += data
        else:
            (talk.client if line[0] == "C" else talk.server)(data)
    return talk.client(request) if request else talk


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """All dialogues in one capture, each from a client port of its own."""
    talks = [talk_of(*dialogue, 40_000 + at) for at, dialogue in enumerate([*DIALOGUES.values(), *SILENT])]
    frames = sorted(frame for talk in talks for frame in talk.close().frames)
    return see(tmp_path_factory.mktemp("logins") / "x.pcap", frames)


def everything(seen):
    return msgspec.json.encode([put.record for put in seen.put_all]).decode()


@pytest.mark.parametrize(("at", "name"), list(enumerate(DIALOGUES)), ids=DIALOGUES)
def test_a_login_names_its_user(seen, at, name):
    (record,) = [record for record in seen.resources("login") if record.source_port == 40_000 + at]

    protocol, method = name.partition(",")[0].split()[:2]
    assert record.login == Login(protocol=protocol, method=method, user_name="joe")
    assert record.uri == "joe"
    port = DIALOGUES[name][0]
    assert (record.source_ip, record.destination_ip, record.destination_port) == (CLIENT, SERVER, port)


def test_what_sends_no_password_is_no_login(seen):
    assert {record.source_port for record in seen.resources("login")} == {40_000 + at for at in range(len(DIALOGUES))}


def test_no_record_holds_a_password(seen):
    told = everything(seen)

    assert "http-headers" in told
    assert not any(secret in told for secret in (SECRET, PASSWORD, PLAIN, encoded(f"joe:{SECRET}")))


def test_a_login_that_is_typed_key_by_key(tmp_path):
    talk = TcpConversation(23).server(b"\xff\xfd\x18\r\nBox 1\r\n", b"login: ")
    for key in b"jx\x7foe":
        talk.client(bytes([key])).server(bytes([key]))
    talk.client(b"\r\0").server(b"\r\nPassword: ")
    for key in SECRET.encode():
        talk.client(bytes([key]))
    talk.client(b"\r\n").server(b"\r\nLogin incorrect\r\nlogin: ").client(b"ann\r\n")
    talk.server(b"ann\r\nPassword: ").client(f"{SECRET}\r\n".encode()).server(b"\r\n$ ").client(b"passwd: \r\n")
    seen = see(tmp_path / "x.pcap", talk.close().frames)

    assert [record.login for record in seen.resources("login")] == [
        Login(protocol="telnet", method="prompt", user_name=name) for name in ("joe", "ann")
    ]
    assert {(record.source_ip, record.destination_port) for record in seen.resources("login")} == {(CLIENT, 23)}
    assert SECRET not in everything(seen)


def test_requests_that_repeat_a_login_are_one_and_another_user_is_another(tmp_path):
    talk = TcpConversation(80)
    for user in ("joe", "joe", "ann", "ann"):
        line = f"Authorization: Basic {encoded(f'{user}:{SECRET}')}"
        talk.client(f"GET /{user} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
        talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    seen = see(tmp_path / "x.pcap", talk.close().frames)

    assert [record.login.user_name for record in seen.resources("login")] == ["joe", "ann"]
    asked = [record for record in seen.resources("url") if record.http.type == "request"]
    assert [record.http.headers[1] for record in asked] == [("Authorization", "Basic ***")] * 4
    assert all("Basic ***" in document.text for document in seen.documents("http-headers") if "GET" in document.text)


def test_the_name_of_a_user_is_not_endless(tmp_path):
    talk = TcpConversation(21).server(b"220 hi\r\n").client(b"USER " + b"x" * 1000 + b"\r\n").server(b"331 and\r\n")
    (record,) = see(tmp_path / "x.pcap", talk.client(b"PASS y\r\n").close().frames).resources("login")

    assert record.login.user_name == "x" * NAME_LIMIT


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Authorization: Basic am9lOng=", "Authorization: Basic ***"),
        ("AUTHORIZATION:Basic\tam9lOng=", "AUTHORIZATION:Basic ***"),
        ("Authorization:\r\n Basic am9lOng=", "Authorization:\r\n Basic ***"),
        ('Authorization: Digest username="joe",\r\n\tresponse="1"', "Authorization: Digest ***"),
        ("Proxy-Authorization: token", "Proxy-Authorization: ***"),
        ("Referer: http://joe:secret@x/a", "Referer: http://joe:***@x/a"),
        ("Referer: http://x/a?mail=joe:b@x", "Referer: http://x/a?mail=joe:b@x"),
        ("WWW-Authenticate: Basic realm=x", "WWW-Authenticate: Basic realm=x"),
    ],
)
def test_what_proves_who_asks_is_hidden(header, kept):
    head = parse_head(f"GET / HTTP/1.1\r\n{header}\r\nHost: x\r\n\r\n".encode())

    assert head.text == f"GET / HTTP/1.1\r\n{kept}\r\nHost: x"
    assert head.http.host == "x"
