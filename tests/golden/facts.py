"""Facts about a capture from tshark, capinfos, hashlib and cryptography, none of them our own code.

``python tests/golden/facts.py tapline/demo/demo.pcap >tests/golden/demo_capture.json`` makes the golden file again.
Each fact is ``{"value": …, "source": …}``; frame lengths are bytes on the wire without preamble and FCS.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509

WINDOW_SECONDS = 60
TRANSPORTS = ("tcp", "udp", "icmp", "icmpv6")
_SEPARATOR = "\x1f"
_RECORD_TYPES = {
    number: name
    for name, number in zip(
        ("A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "HTTPS", "ANY"),
        ("1", "2", "5", "6", "12", "15", "16", "28", "33", "65", "255"),
        strict=True,
    )
}
_FIELDS = (
    *("frame.number", "frame.time_epoch", "frame.len", "frame.protocols", "communityid", "vlan.id", "arp.opcode"),
    *("ip.src", "ip.dst", "ip.len", "ipv6.src", "ipv6.dst", "ipv6.plen", "icmp.type", "icmpv6.type"),
    *("tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.flags.syn", "tcp.flags.ack", "tcp.flags.reset", "udp.stream"),
    *("dns.flags.response", "dns.qry.name", "dns.qry.type", "dns.flags.rcode", "dns.a", "dns.aaaa", "dns.txt"),
    *("dns.cname", "dns.mx.mail_exchange", "dns.ptr.domain_name", "dns.srv.target"),
    *("http.request.method", "http.host", "http.request.uri", "http.user_agent", "http.response.code"),
    *("tls.handshake.type", "tls.handshake.extensions_server_name", "tls.handshake.certificate"),
    *("tls.handshake.version", "tls.handshake.extensions.supported_version"),
    *("tls.handshake.ja3", "tls.handshake.ja3s", "tls.alert_message.desc"),
    *("ssh.protocol", "snmp.version", "snmp.community", "syslog.msg"),
)
_CLIENT_HELLO, _SERVER_HELLO = "1", "2"

Packet = dict[str, list[str]]


def facts(capture: Path) -> dict[str, Any]:
    """Return everything the tools say about one capture file."""
    content = capture.read_bytes()
    tshark = _version("tshark")
    packets = list(_packets(capture))
    fields = f"{tshark} -n -T fields"
    values: dict[str, tuple[Any, str]] = {
        "capture": (_capture(capture), f"{_version('capinfos')} -M"),
        "transports": (_transports(packets), f"{fields}: outermost transport; bytes are frame lengths"),
        "windows": (_windows(packets), f"{fields}: frames by the 60 s window of their time stamp"),
        "ip_bytes": (_ip_bytes(packets), f"{fields}: outermost ip.len, and ipv6.plen + 40"),
        "packets_with_protocol": (_protocols(packets), f"{fields} frame.protocols"),
        "arp_packets": (sum(1 for packet in packets if packet["arp.opcode"]), fields),
        "vlan_ids_tags": (_counted(packets, "vlan.id"), fields),
        "icmp_types": (_counted(packets, "icmp.type"), fields),
        "icmpv6_types": (_counted(packets, "icmpv6.type"), fields),
        "ip_addresses": (len(_addresses(packets)), fields),
        "tcp_syn_synack_rst": (_flags(packets), f"{fields} outermost TCP header"),
        "tshark_conversations": (_conversations(packets), f"{fields} tcp.stream and udp.stream outside ICMP errors"),
        "community_ids": (_community_ids(packets), f"{tshark} --enable-protocol communityid (seed 0)"),
        "dns": (_dns(packets), f"{fields}, without the queries quoted in ICMP errors"),
        "http": (_http(packets), fields),
        "exported_objects": (_objects(capture), f"{tshark} --export-objects http, hashed with hashlib"),
        "tls_sni": (_counted(packets, "tls.handshake.extensions_server_name"), f"{fields} (ClientHello)"),
        "tls_versions": (_tls_versions(packets), f"{fields} (ServerHello, the chosen version)"),
        "tls_alerts": (_counted(packets, "tls.alert_message.desc"), f"{fields} (alerts in clear)"),
        "ja3": (_counted(packets, "tls.handshake.ja3"), fields),
        "ja3s": (_counted(packets, "tls.handshake.ja3s"), fields),
        "certificates": (_certificates(packets), f"{fields} tls.handshake.certificate, hashlib, cryptography"),
        "certificate_chains": (_chains(packets), f"{fields}: certificates of a stream in the order sent"),
        "ssh_flows": (_ssh_flows(packets), f"{fields}: TCP streams with port 22"),
        "ssh_versions": (sorted(_counted(packets, "ssh.protocol")), fields),
        "snmp": (_snmp(packets), fields),
        "syslog_frames": (sum(1 for p in packets if p["syslog.msg"] and not p["icmp.type"]), fields),
    }
    return {
        "file": capture.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "facts": {name: {"value": value, "source": source} for name, (value, source) in values.items()},
    }


def _run(*command: str | Path) -> str:
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def _version(tool: str) -> str:
    return f"{tool} {_run(tool, '--version').split()[2]}"


def _packets(capture: Path) -> Iterator[Packet]:
    flags = [word for field in _FIELDS for word in ("-e", field)]
    layout = ("-E", "separator=/t", "-E", f"aggregator={_SEPARATOR}", "-E", "occurrence=a")
    text = _run("tshark", "-n", "-r", capture, "--enable-protocol", "communityid", "-T", "fields", *layout, *flags)
    for line in text.splitlines():
        columns = line.split("\t")
        split = ([value for value in column.split(_SEPARATOR) if value] for column in columns)
        yield dict(zip(_FIELDS, split, strict=True))


def _capture(capture: Path) -> dict[str, Any]:
    lines = (line.partition(":") for line in _run("capinfos", "-M", capture).splitlines())
    said = {name.strip(): value.strip() for name, _, value in lines}
    return {
        "packets": int(said["Number of packets"]),
        "bytes_on_wire": int(said["Data size"].split()[0]),
        "duration_s": float(said["Capture duration"].split()[0]),
        "first": said["First packet time"],
        "last": said["Last packet time"],
        "file_type": said["File type"],
        "link_type": said["File encapsulation"],
        "strict_time_order": said["Strict time order"],
    }


def _first(packet: Packet, *names: str) -> str | None:
    return next((packet[name][0] for name in names if packet[name]), None)


def _counted(packets: list[Packet], field: str) -> dict[str, int]:
    return dict(sorted(Counter(value for packet in packets for value in packet[field]).items()))


def _transport(packet: Packet) -> str:
    layers = packet["frame.protocols"][0].split(":")
    return next((layer for layer in layers if layer in TRANSPORTS), "other")


def _transports(packets: list[Packet]) -> dict[str, dict[str, int]]:
    sums = {name: {"packets": 0, "bytes": 0} for name in (*TRANSPORTS, "other")}
    for packet in packets:
        of_one = sums[_transport(packet)]
        of_one["packets"] += 1
        of_one["bytes"] += int(packet["frame.len"][0])
    return sums


def _windows(packets: list[Packet]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for packet in packets:
        second = int(packet["frame.time_epoch"][0].partition(".")[0])
        window = sums.setdefault(str(second - second % WINDOW_SECONDS), {"packets": 0, "bytes": 0})
        window["packets"] += 1
        window["bytes"] += int(packet["frame.len"][0])
    return sums


def _ip_bytes(packets: list[Packet]) -> dict[str, int]:
    return {
        "ipv4": sum(int(packet["ip.len"][0]) for packet in packets if packet["ip.len"]),
        "ipv6": sum(int(packet["ipv6.plen"][0]) + 40 for packet in packets if packet["ipv6.plen"]),
    }


def _protocols(packets: list[Packet]) -> dict[str, int]:
    seen = Counter(layer for packet in packets for layer in set(packet["frame.protocols"][0].split(":")))
    return dict(sorted(seen.items()))


def _addresses(packets: list[Packet]) -> set[str]:
    names = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst")
    return {packet[name][0] for packet in packets for name in names if packet[name]}


def _flags(packets: list[Packet]) -> list[int]:
    tcp = [packet for packet in packets if _transport(packet) == "tcp"]
    syn = [packet for packet in tcp if packet["tcp.flags.syn"] == ["1"]]
    answered = sum(1 for packet in syn if packet["tcp.flags.ack"] == ["1"])
    return [len(syn) - answered, answered, sum(1 for packet in tcp if packet["tcp.flags.reset"] == ["1"])]


def _conversations(packets: list[Packet]) -> dict[str, int]:
    return {
        transport: len({packet[f"{transport}.stream"][0] for packet in packets if _transport(packet) == transport})
        for transport in ("tcp", "udp")
    }


def _community_ids(packets: list[Packet]) -> dict[str, Any]:
    seen = Counter(value for packet in packets for value in packet["communityid"])
    return {
        "distinct": len(seen),
        "ids": sorted(seen),
        "packets_per_id": dict(sorted(seen.items())),
        "truncated": False,
    }


def _dns(packets: list[Packet]) -> dict[str, Any]:
    messages = [packet for packet in packets if packet["dns.flags.response"] and not packet["icmp.type"]]
    queries = [packet for packet in messages if packet["dns.flags.response"][0] in ("0", "False")]
    answers = [packet for packet in messages if packet["dns.flags.response"][0] not in ("0", "False")]
    types = Counter(_record_type(packet["dns.qry.type"][0]) for packet in queries)
    named = ("dns.cname", "dns.mx.mail_exchange", "dns.ptr.domain_name", "dns.srv.target")
    return {
        "queries": len(queries),
        "responses": len(answers),
        "query_types": dict(sorted(types.items())),
        "names": sorted({f"{_record_type(p['dns.qry.type'][0])} {p['dns.qry.name'][0]}" for p in queries}),
        "names_distinct": len({packet["dns.qry.name"][0] for packet in queries}),
        "rcodes": _counted(answers, "dns.flags.rcode"),
        "answer_addresses": sorted({*_counted(answers, "dns.a"), *_counted(answers, "dns.aaaa")}),
        "answer_names": sorted({name for field in named for name in _counted(answers, field)}),
        "txt": sorted(_counted(answers, "dns.txt")),
        "over_tcp": sum(1 for packet in queries if _transport(packet) == "tcp"),
    }


def _record_type(number: str) -> str:
    return _RECORD_TYPES.get(number, f"TYPE{number}")


def _http(packets: list[Packet]) -> dict[str, Any]:
    requests = [packet for packet in packets if packet["http.request.method"]]
    listed = [
        {
            "client": _first(packet, "ip.src", "ipv6.src"),
            "server": _first(packet, "ip.dst", "ipv6.dst"),
            "method": _first(packet, "http.request.method"),
            "host": _first(packet, "http.host"),
            "uri": _first(packet, "http.request.uri"),
            "user_agent": _first(packet, "http.user_agent"),
            "community_id": _first(packet, "communityid"),
        }
        for packet in requests
    ]
    return {
        "requests": len(requests),
        "methods": _counted(requests, "http.request.method"),
        "hosts": sorted(_counted(requests, "http.host")),
        "uris": [f"{request['method']} {request['host'] or '-'} {request['uri']}" for request in listed],
        "user_agents": sorted(_counted(requests, "http.user_agent")),
        "response_codes": _counted(packets, "http.response.code"),
        "list": listed,
    }


def _objects(capture: Path) -> dict[str, Any]:
    objects = []
    with tempfile.TemporaryDirectory() as folder:
        _run("tshark", "-n", "-q", "-r", capture, "--export-objects", f"http,{folder}")
        for path in sorted(Path(folder).iterdir()):
            content = path.read_bytes()
            hashes = {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha1", "sha256")}
            objects.append({"kind": "http", "name": unquote(path.name), "size": len(content), **hashes})
    return {"count": len(objects), "objects": objects}


def _tls_versions(packets: list[Packet]) -> dict[str, int]:
    chosen: Counter[str] = Counter()
    for packet in packets:
        if _SERVER_HELLO in packet["tls.handshake.type"]:
            version = _first(packet, "tls.handshake.extensions.supported_version", "tls.handshake.version")
            chosen[str(version)] += 1
    return dict(sorted(chosen.items()))


def _certificates(packets: list[Packet]) -> list[dict[str, Any]]:
    begin = float(packets[0]["frame.time_epoch"][0])
    return [
        _certificate(bytes.fromhex(der), begin) | {"times_seen": times}
        for der, times in _counted(packets, "tls.handshake.certificate").items()
    ]


def _certificate(der: bytes, begin: float) -> dict[str, Any]:
    parsed = x509.load_der_x509_certificate(der)
    names = _extension(parsed, x509.SubjectAlternativeName)
    access = _extension(parsed, x509.AuthorityInformationAccess)
    return {
        "subject": parsed.subject.rfc4514_string(),
        "issuer": parsed.issuer.rfc4514_string(),
        "serial": f"{parsed.serial_number:X}",
        "not_before": parsed.not_valid_before_utc.isoformat(),
        "not_after": parsed.not_valid_after_utc.isoformat(),
        "expired_at_capture_start": parsed.not_valid_after_utc.timestamp() < begin,
        "self_signed": parsed.subject == parsed.issuer,
        "san_dns": list(names.get_values_for_type(x509.DNSName)) if names else [],
        "access": [description.access_location.value for description in access] if access else [],
        "der_size": len(der),
        "sha1": hashlib.sha1(der).hexdigest(),
        "sha256": hashlib.sha256(der).hexdigest(),
    }


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _chains(packets: list[Packet]) -> list[dict[str, Any]]:
    return [
        {
            "server": _first(packet, "ip.src", "ipv6.src"),
            "client": _first(packet, "ip.dst", "ipv6.dst"),
            "sha256": [hashlib.sha256(bytes.fromhex(der)).hexdigest() for der in packet["tls.handshake.certificate"]],
            "community_id": _first(packet, "communityid"),
        }
        for packet in packets
        if packet["tls.handshake.certificate"]
    ]


def _ssh_flows(packets: list[Packet]) -> list[dict[str, Any]]:
    streams: dict[str, list[Packet]] = defaultdict(list)
    for packet in packets:
        if _transport(packet) == "tcp" and "22" in packet["tcp.srcport"] + packet["tcp.dstport"]:
            streams[packet["tcp.stream"][0]].append(packet)
    return [
        {
            "client": _first(stream[0], "ip.src", "ipv6.src"),
            "client_port": int(stream[0]["tcp.srcport"][0]),
            "server": _first(stream[0], "ip.dst", "ipv6.dst"),
            "packets": len(stream),
            "bytes": sum(int(packet["frame.len"][0]) for packet in stream),
            "duration_s": round(_seconds(stream[-1]) - _seconds(stream[0]), 6),
            "windows": len(_windows(stream)),
            "community_id": _first(stream[0], "communityid"),
        }
        for stream in streams.values()
    ]


def _seconds(packet: Packet) -> float:
    return float(packet["frame.time_epoch"][0])


def _snmp(packets: list[Packet]) -> dict[str, Any]:
    names = {"0": "v1", "1": "v2c", "3": "v3"}
    versions = {names[number]: count for number, count in _counted(packets, "snmp.version").items()}
    return {"communities": sorted(_counted(packets, "snmp.community")), "versions": versions}


def main() -> None:
    """Print the facts of the captures named on the command line as JSON."""
    tools = {tool: _run(tool, "--version").splitlines()[0] for tool in ("tshark", "capinfos")}
    captures = [facts(Path(name)) for name in sys.argv[1:]]
    json.dump({"tools": tools, "captures": captures}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
