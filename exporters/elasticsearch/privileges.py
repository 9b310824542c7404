"""What the exporter's user must be allowed, where the server has security."""

from __future__ import annotations

from typing import Any, Final

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from exporters.elasticsearch.connection import describe
from exporters.elasticsearch.documents import DOCUMENTS, index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import is_current
from topics.errors import TaplineError

CLUSTER: Final = ("monitor",)
STREAM: Final = ("auto_configure", "create_doc")
INDEX: Final = ("auto_configure", "index")
"""What is needed on the one index whose documents are replaced: that of how conditions stand."""

_NO_SECURITY: Final = (400, 405)


def check_writing(client: Elasticsearch, settings: ElasticsearchSettings) -> None:
    """See that this user may write the documents; :class:`TaplineError` names each privilege that is missing.

    Where the server has no security, everyone may.
    """
    missing = _missing(client, settings)
    if missing:
        raise TaplineError(
            f"the user of elasticsearch: may not write: the privileges {', '.join(missing)} are missing: give them to"
            " the user's role"
        )


def _missing(client: Elasticsearch, settings: ElasticsearchSettings) -> list[str]:
    names = {kind: index_name(kind, settings.namespace) for kind in DOCUMENTS}
    wanted: list[dict[str, Any]] = [
        {"names": [name for kind, name in names.items() if not is_current(kind)], "privileges": STREAM},
        {"names": [name for kind, name in names.items() if is_current(kind)], "privileges": INDEX},
    ]
    try:
        answer = client.security.has_privileges(cluster=CLUSTER, index=wanted).body
    except ApiError as error:
        if error.status_code in _NO_SECURITY:
            return []
        raise TaplineError(f"Elasticsearch does not say what its user may do ({describe(error)})") from error
    except TransportError as error:
        raise TaplineError(f"Elasticsearch does not say what its user may do ({describe(error)})") from error
    missing = [f"{privilege} (cluster)" for privilege, has in answer["cluster"].items() if not has]
    lacking: dict[str, list[str]] = {}
    for name, privileges in answer["index"].items():
        for privilege, has in privileges.items():
            if not has:
                lacking.setdefault(privilege, []).append(name)
    return missing + [f"{privilege} (on {', '.join(on)})" for privilege, on in sorted(lacking.items())]
