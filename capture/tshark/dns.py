"""DNS messages: unicast DNS over UDP, TCP and clear-text HTTP.

Multicast DNS, LLMNR and NetBIOS names are left out: they announce neighbours on a link and ask no
name server.
"""

from __future__ import annotations

from collections.abc import Iterator

from capture.tshark.frame import Frame
from capture.tshark.minting import Mint
from topics.records import Dns, Document, Resource

FILTER = "dns"
FIELDS = (
    "dns.id",
    "dns.length",
    "dns.flags",
    "dns.count.queries",
    "dns.count.answers",
    "dns.count.auth_rr",
    "dns.count.add_rr",
    "dns.qry.name",
    "dns.qry.type",
    "dns.qry.class",
    "dns.resp.name",
    "dns.resp.type",
    "dns.resp.len",
    "dns.a",
    "dns.aaaa",
    "dns.cname",
    "dns.dname",
    "dns.ns",
    "dns.ptr.domain_name",
    "dns.mx.preference",
    "dns.mx.mail_exchange",
    "dns.txt",
    "dns.txt.length",
    "dns.spf",
    "dns.soa.mname",
    "dns.soa.rname",
    "dns.soa.serial_number",
    "dns.srv.priority",
    "dns.srv.weight",
    "dns.srv.port",
    "dns.srv.target",
    "dns.naptr.replacement",
    "dns.svcb.targetname",
    "dns.caa.issue",
    "udp.length",
    "ip.flags.mf",
    "ip.fragment.count",
    "ipv6.fragment.count",
)

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6",
    39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
    49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY",
    61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64",
    249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV",
}  # fmt: skip
"""Names of record types (IANA, Domain Name System Parameters); any other is ``TYPE<number>`` (RFC 3597)."""

CLASSES = {1: "IN", 2: "CS", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}

RESPONSE_CODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI",
}  # fmt: skip

OPERATIONS = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}

ANSWERS_LIMIT = 256
"""Most answers of a message that a record carries; compressed names make a hostile message large."""

_LABEL_LIMIT = 512

_FLAGS = (
    (0x0400, "AA"), (0x0200, "TC"), (0x0100, "RD"), (0x0080, "RA"), (0x0040, "Z"), (0x0020, "AD"), (0x0010, "CD"),
)  # fmt: skip
_UDP_HEADER = 8
_FRAGMENTS = ("ip_fragment_count", "ipv6_fragment_count")

_DATA = {
    1: ("dns_a",),
    2: ("dns_ns",),
    5: ("dns_cname",),
    6: ("dns_soa_mname", "dns_soa_rname", "dns_soa_serial_number"),
    12: ("dns_ptr_domain_name",),
    15: ("dns_mx_preference", "dns_mx_mail_exchange"),
    28: ("dns_aaaa",),
    33: ("dns_srv_priority", "dns_srv_weight", "dns_srv_port", "dns_srv_target"),
    35: ("dns_naptr_replacement",),
    39: ("dns_dname",),
    64: ("dns_svcb_targetname",),
    65: ("dns_svcb_targetname",),
    99: ("dns_spf",),
    257: ("dns_caa_issue",),
}


def read(frame: Frame, mint: Mint) -> Iterator[Resource | Document]:
    """The DNS messages of a frame, each as a resource and as a document."""
    flags = frame.all("dns_flags")
    if not flags:
        return
    cursor = _Cursor(frame)
    for index, word in enumerate(flags):
        dns = cursor.message(index, int(word, 0))
        if len(dns.answers) > ANSWERS_LIMIT:
            mint.counts["truncated.answers"] += 1
            del dns.answers[ANSWERS_LIMIT:]
            del dns.resolved_ips[ANSWERS_LIMIT:]
        conversation = frame.conversation if dns.type == "query" else frame.conversation.reversed()
        yield mint.resource(frame, conversation, "dns", uri=dns.query_name, label=_label(dns), dns=dns)
        yield mint.document(frame, conversation, "dns", dns.query_name, _text(dns))


class _Cursor:
    """Deals the values of a frame out to its messages and their records, in order."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._sizes = _sizes(frame)
        self._fragmented = any(map(frame.first, _FRAGMENTS)) or frame.first("ip_flags_mf") == "1"
        self._data_bytes = 0
        self._values: dict[str, Iterator[str]] = {}
        self._questions_left = len(frame.all("dns_qry_name"))
        self._records_left = len(frame.all("dns_resp_type"))

    def message(self, index: int, flags: int) -> Dns:
        # A broken message may announce more than it has.
        asked = min(_number(self._at("dns_count_queries", index)), self._questions_left)
        self._questions_left -= asked
        queries = [
            (self._next("dns_qry_name"), self._number("dns_qry_type"), self._number("dns_qry_class"))
            for _ in range(asked)
        ]
        name, kind, rr_class = queries[0] if queries else ("", 0, 0)
        self._data_bytes = 0
        answers = list(self._section("dns_count_answers", index))
        answer_bytes = self._data_bytes
        for section in ("dns_count_auth_rr", "dns_count_add_rr"):
            for _ in self._section(section, index):
                pass
        is_answer = bool(flags & 0x8000)
        return Dns(
            type="answer" if is_answer else "query",
            message_id=_number(self._at("dns_id", index)),
            query_name=name,
            query_type=_name(TYPES, kind, "TYPE") if queries else "",
            query_class=_name(CLASSES, rr_class, "CLASS") if queries else "",
            response_code=_name(RESPONSE_CODES, flags & 0xF, "RCODE") if is_answer else "",
            answers=answers,
            resolved_ips=[data for _, kind, data in answers if kind in ("A", "AAAA") and data],
            flags=[letters for bit, letters in _FLAGS if flags & bit],
            truncated=bool(flags & 0x0200),
            operation=_name(OPERATIONS, flags >> 11 & 0xF, "OPCODE"),
            size=self._sizes[index] if index < len(self._sizes) else 0,
            fragmented=self._fragmented,
            answer_bytes=answer_bytes,
            question_count=_number(self._at("dns_count_queries", index)),
            answer_count=_number(self._at("dns_count_answers", index)),
            authority_count=_number(self._at("dns_count_auth_rr", index)),
            additional_count=_number(self._at("dns_count_add_rr", index)),
        )

    def _section(self, key: str, index: int) -> Iterator[tuple[str, str, str]]:
        announced = min(_number(self._at(key, index)), self._records_left)
        self._records_left -= announced
        return (self._record() for _ in range(announced))

    def _record(self) -> tuple[str, str, str]:
        name = self._next("dns_resp_name")
        kind = self._number("dns_resp_type")
        length = self._number("dns_resp_len")
        self._data_bytes += length
        if kind == 16:
            data = self._strings(length)
        else:
            data = " ".join(filter(None, [self._next(key) for key in _DATA.get(kind, ())]))
        return name, _name(TYPES, kind, "TYPE"), data

    def _strings(self, length: int) -> str:
        # A TXT record holds several strings, each a length byte and that many bytes.
        strings = []
        while length > 0:
            size = self._next("dns_txt_length")
            if not size:
                break
            strings.append(self._next("dns_txt"))
            length -= 1 + int(size)
        return "".join(strings)

    def _at(self, key: str, index: int) -> str:
        values = self._frame.all(key)
        return values[index] if index < len(values) else ""

    def _next(self, key: str) -> str:
        values = self._values.get(key)
        if values is None:
            values = self._values[key] = iter(self._frame.all(key))
        return next(values, "")

    def _number(self, key: str) -> int:
        return _number(self._next(key))


def _sizes(frame: Frame) -> list[int]:
    """The sizes of a frame's messages: over TCP each tells its own, over UDP and HTTP what carries it does."""
    if lengths := frame.all("dns_length"):
        return [int(length) for length in lengths]
    if bodies := frame.content.body or frame.content.http2:
        return [size for _, size in bodies]
    length = _number(frame.last("udp_length"))
    return [length - _UDP_HEADER] if length > _UDP_HEADER else []


def _number(text: str) -> int:
    return int(text, 0) if text else 0


def _name(names: dict[int, str], number: int, prefix: str) -> str:
    return names.get(number) or f"{prefix}{number}"


def _label(dns: Dns) -> str:
    if dns.type == "query":
        return f"query {dns.query_type}"
    data = ", ".join(data for _, _, data in dns.answers if data)
    return f"answer {dns.query_type} {dns.response_code} {data}".rstrip()[:_LABEL_LIMIT]


def _text(dns: Dns) -> str:
    """The message in the manner of a zone file, after a line that tells query from response."""
    lines = [f"{'QUERY' if dns.type == 'query' else 'RESPONSE'} id {dns.message_id} {' '.join(dns.flags)}".rstrip()]
    if dns.response_code:
        lines.append(f"status {dns.response_code}")
    lines.append(f"question {dns.query_name} {dns.query_class} {dns.query_type}")
    lines.extend(f"answer {name} {kind} {data}".rstrip() for name, kind, data in dns.answers)
    return "\n".join(lines)
