"""nDPI's flow risks: a check for each, by its name.

What nDPI says of a flow becomes its status. Scores and shares follow nDPI's own grading (low, medium, high, severe)
where it has one.
"""

from typing import NamedTuple

from tapline.checks import FlowCheck, FlowStatus, Gui
from topics.records import Flow

LOW, MEDIUM, HIGH, SEVERE = 10, 50, 100, 150


class Risk(NamedTuple):
    """A risk by nDPI's number and name: what people call it, its score, and the client's share of that in percent."""

    number: int
    name: str
    title: str
    score: int
    client_share: int


RISKS = (
    Risk(1, "url_possible_xss", "Possible cross-site scripting", SEVERE, 90),
    Risk(2, "url_possible_sql_injection", "Possible SQL injection", SEVERE, 90),
    Risk(3, "url_possible_rce_injection", "Possible remote code execution", SEVERE, 90),
    Risk(4, "binary_application_transfer", "Transfer of a binary application", SEVERE, 50),
    Risk(5, "known_protocol_on_non_standard_port", "Known protocol on a port that is not its own", MEDIUM, 50),
    Risk(6, "tls_selfsigned_certificate", "Self-signed certificate", HIGH, 90),
    Risk(7, "tls_obsolete_version", "Obsolete TLS version", HIGH, 90),
    Risk(8, "tls_weak_cipher", "Weak TLS cipher", HIGH, 90),
    Risk(9, "tls_certificate_expired", "Expired certificate", HIGH, 50),
    Risk(10, "tls_certificate_mismatch", "Certificate of another name", HIGH, 50),
    Risk(11, "http_suspicious_user_agent", "Suspicious user agent", HIGH, 90),
    Risk(12, "numeric_ip_host", "An address in the place of a host name", LOW, 10),
    Risk(13, "http_suspicious_url", "Suspicious URL", HIGH, 90),
    Risk(14, "http_suspicious_header", "Suspicious HTTP header", HIGH, 90),
    Risk(15, "tls_not_carrying_https", "TLS that carries no HTTPS", LOW, 50),
    Risk(16, "suspicious_dga_domain", "A domain as an algorithm makes them", HIGH, 90),
    Risk(17, "malformed_packet", "Malformed packet", LOW, 50),
    Risk(18, "ssh_obsolete_client_version_or_cipher", "Obsolete SSH client", HIGH, 90),
    Risk(19, "ssh_obsolete_server_version_or_cipher", "Obsolete SSH server", MEDIUM, 10),
    Risk(20, "smb_insecure_version", "Insecure SMB version", HIGH, 90),
    Risk(21, "mismatching_protocol_with_ip", "A protocol its server does not speak", MEDIUM, 50),
    Risk(22, "unsafe_protocol", "Unsafe protocol", LOW, 50),
    Risk(23, "dns_suspicious_traffic", "Suspicious DNS traffic", HIGH, 90),
    Risk(24, "tls_missing_sni", "TLS without a server name", MEDIUM, 50),
    Risk(25, "http_suspicious_content", "Suspicious HTTP content", HIGH, 90),
    Risk(26, "risky_asn", "Risky autonomous system", MEDIUM, 50),
    Risk(27, "risky_domain", "Risky domain", MEDIUM, 50),
    Risk(28, "malicious_fingerprint", "Malicious TLS fingerprint", HIGH, 90),
    Risk(29, "malicious_sha1_certificate", "Malicious certificate", HIGH, 90),
    Risk(30, "desktop_or_file_sharing_session", "Desktop or file sharing", LOW, 50),
    Risk(31, "tls_uncommon_alpn", "Uncommon ALPN", MEDIUM, 50),
    Risk(32, "tls_cert_validity_too_long", "Certificate valid for too long", MEDIUM, 50),
    Risk(33, "tls_suspicious_extension", "Suspicious TLS extension", HIGH, 90),
    Risk(34, "tls_fatal_alert", "Fatal TLS alert", LOW, 50),
    Risk(35, "suspicious_entropy", "Suspicious entropy", MEDIUM, 50),
    Risk(36, "clear_text_credentials", "Credentials in clear text", HIGH, 90),
    Risk(37, "dns_large_packet", "Large DNS packet", MEDIUM, 50),
    Risk(38, "dns_fragmented", "Fragmented DNS packet", MEDIUM, 50),
    Risk(39, "invalid_characters", "Invalid characters", HIGH, 50),
    Risk(40, "possible_exploit", "Possible exploit", SEVERE, 90),
    Risk(41, "tls_certificate_about_to_expire", "Certificate about to expire", MEDIUM, 10),
    Risk(42, "punycode_idn", "Internationalized domain name", LOW, 50),
    Risk(43, "error_code_detected", "Error code", LOW, 10),
    Risk(44, "http_crawler_bot", "Crawler or bot", LOW, 50),
    Risk(45, "anonymous_subscriber", "Anonymous subscriber", MEDIUM, 50),
    Risk(46, "unidirectional_traffic", "Traffic in one direction", LOW, 50),
    Risk(47, "http_obsolete_server", "Obsolete HTTP server", MEDIUM, 10),
    Risk(48, "periodic_flow", "Periodic flow", LOW, 50),
    Risk(49, "minor_issues", "Minor issues", LOW, 50),
    Risk(50, "tcp_issues", "TCP issues", MEDIUM, 50),
    Risk(51, "unresolved_hostname", "Host name that was never resolved", LOW, 50),
    Risk(52, "tls_alpn_sni_mismatch", "ALPN and server name do not match", MEDIUM, 50),
    Risk(53, "malware_host_contacted", "Host known for malware", SEVERE, 90),
    Risk(54, "binary_data_transfer", "Transfer of binary data", LOW, 50),
    Risk(55, "probing_attempt", "Probing attempt", MEDIUM, 90),
    Risk(56, "obfuscated_traffic", "Obfuscated traffic", HIGH, 50),
)


def tell(check: FlowCheck, flow: Flow) -> None:
    """The hook of all of them: the engine says that the flow has the risk."""
    check.trigger_status(flow)


def check_of(risk: Risk) -> type[FlowCheck]:
    """The check of one risk."""
    status = FlowStatus(
        name=risk.name, number=risk.number, title=risk.title, score=risk.score, client_share=risk.client_share
    )
    return type(
        f"Risk{risk.number}",
        (FlowCheck,),
        {
            "__doc__": f"{risk.title}: the flow risk {risk.name} of nDPI.",
            "__module__": __name__,
            "name": risk.name,
            "priority": -20,
            "risks": (risk.name,),
            "periodic_update": tell,
            "flow_end": tell,
            "score": risk.score,
            "client_share": risk.client_share,
            "status": status,
            "gui": Gui(title=risk.title),
        },
    )


globals().update({f"Risk{risk.number}": check_of(risk) for risk in RISKS})
