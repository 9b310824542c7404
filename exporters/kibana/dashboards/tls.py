"""TLS and certificates: names, versions, fingerprints, and which certificates are shown."""

from __future__ import annotations

from typing import Final

from exporters.kibana.dashboards.controls import ends
from exporters.kibana.dashboards.links import TO_ALERTS, TO_FLOWS
from exporters.kibana.definitions import (
    CHART_ROW,
    LIST_ROW,
    METRICS_ROW,
    TABLE_ROW,
    Dashboard,
    Metric,
    Panel,
    Row,
    SavedSearch,
    Time,
    Values,
    different,
    documents,
)

_TLS: Final = 'tapline.resource.group: "tls"'
_CLIENTS: Final = f'{_TLS} and tapline.tls.type: "client-hello"'
_SERVERS: Final = f'{_TLS} and tapline.tls.type: "server-hello"'
_CERTIFICATES: Final = 'tapline.resource.group: "x509"'
_SELF_SIGNED: Final = "tapline.certificate.self_signed: true and tapline.certificate.position: 0"
_FINGERPRINT: Final = "tls.server.hash.sha256"
_RISKS: Final = "tapline.flow.risks: (tls_* or weak_*)"

TLS: Final = Dashboard(
    key="tls",
    title="TLS and certificates",
    description="Names that are asked for, versions, ciphers and fingerprints, and the certificates that servers show.",
    controls=ends("flow"),
    rows=(
        Row(
            METRICS_ROW,
            (
                Panel(
                    title="Handshakes",
                    kind="metric",
                    view="resource",
                    metrics=(documents("handshakes"),),
                    filter=_CLIENTS,
                ),
                Panel(
                    title="Certificates",
                    kind="metric",
                    view="resource",
                    metrics=(different("certificates", _FINGERPRINT),),
                    filter=_CERTIFICATES,
                ),
                Panel(
                    title="Self-signed",
                    kind="metric",
                    view="resource",
                    metrics=(different("certificates", _FINGERPRINT),),
                    filter=f"{_CERTIFICATES} and {_SELF_SIGNED}",
                    description="Of servers; the roots of chains are always self-signed.",
                ),
                Panel(
                    title="Flows with an expired certificate",
                    kind="metric",
                    view="flow",
                    metrics=(different("flows", "tapline.flow.id"),),
                    filter='tapline.flow.risks: "tls_certificate_expired"',
                    description="Expired when it was shown.",
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Handshakes over time",
                    kind="bars over time",
                    view="resource",
                    metrics=(documents("handshakes"),),
                    dimensions=(Time(), Values("tls.version", "version", others=True)),
                    filter=_SERVERS,
                ),
                Panel(
                    title="Ciphers",
                    kind="pie",
                    view="resource",
                    metrics=(documents("handshakes"),),
                    dimensions=(Values("tls.cipher", "cipher", others=True),),
                    filter=_SERVERS,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Names of servers",
                    kind="table",
                    view="resource",
                    metrics=(documents("handshakes"), different("hosts", "source.ip")),
                    dimensions=(Values("tls.client.server_name", "name", 50),),
                    filter=_CLIENTS,
                ),
                Panel(
                    title="Hosts",
                    kind="table",
                    view="resource",
                    metrics=(documents("handshakes"), different("names", "tls.client.server_name")),
                    dimensions=(Values("source.ip", "host", 20),),
                    filter=_CLIENTS,
                    drilldowns=(TO_FLOWS, TO_ALERTS),
                ),
                Panel(
                    title="Risks",
                    kind="table",
                    view="flow",
                    metrics=(different("flows", "tapline.flow.id"), different("servers", "destination.ip")),
                    dimensions=(Values("tapline.flow.risks", "risk", 20),),
                    filter=_RISKS,
                ),
            ),
        ),
        Row(
            TABLE_ROW,
            (
                Panel(
                    title="Certificates by expiry",
                    kind="table",
                    view="resource",
                    metrics=(
                        Metric("ends", "minimum", "tls.server.not_after", ""),
                        documents("seen"),
                        different("servers", "destination.ip"),
                    ),
                    dimensions=(
                        Values(_FINGERPRINT, "SHA-256", 50, ascending=True),
                        Values("tls.server.x509.subject.common_name", "subject", 1, missing=True),
                        Values("tls.server.x509.issuer.common_name", "issuer", 1, missing=True),
                    ),
                    filter=_CERTIFICATES,
                    description="Those that end first, or have ended, come first.",
                ),
                Panel(
                    title="Who signs",
                    kind="bar",
                    view="resource",
                    metrics=(different("certificates", _FINGERPRINT),),
                    dimensions=(Values("tls.server.x509.issuer.common_name", "issuer"),),
                    filter=_CERTIFICATES,
                ),
            ),
        ),
        Row(
            CHART_ROW,
            (
                Panel(
                    title="Fingerprints of clients (JA3)",
                    kind="table",
                    view="resource",
                    metrics=(documents("handshakes"), different("hosts", "source.ip")),
                    dimensions=(Values("tls.client.ja3", "JA3", 20),),
                    filter=_CLIENTS,
                ),
                Panel(
                    title="Fingerprints of clients (flows)",
                    kind="table",
                    view="flow",
                    metrics=(different("flows", "tapline.flow.id"), different("hosts", "source.ip")),
                    dimensions=(Values("tapline.flow.client_fingerprint", "JA4 or JA3", 20),),
                    filter="network.protocol: (tls or quic or dtls)",
                ),
                Panel(
                    title="Fingerprints of servers (JA3S)",
                    kind="table",
                    view="resource",
                    metrics=(documents("handshakes"), different("servers", "destination.ip")),
                    dimensions=(Values("tls.server.ja3s", "JA3S", 20),),
                    filter=_SERVERS,
                ),
                Panel(
                    title="Keys and signatures",
                    kind="bar",
                    view="resource",
                    metrics=(different("certificates", _FINGERPRINT),),
                    dimensions=(
                        Values("tls.server.x509.signature_algorithm", "signature"),
                        Values("tls.server.x509.public_key_size", "bits of the key", 5),
                    ),
                    filter=_CERTIFICATES,
                ),
            ),
        ),
        Row(
            LIST_ROW,
            (
                SavedSearch(
                    title="List of certificates",
                    view="resource",
                    columns=(
                        "destination.ip",
                        "tls.client.server_name",
                        "tls.server.subject",
                        "tls.server.issuer",
                        "tls.server.not_after",
                        "tapline.certificate.self_signed",
                    ),
                    filter=_CERTIFICATES,
                ),
            ),
        ),
    ),
)
