"""The Faust app and its settings; every one of them has a reason in docs/explanation/faust.md."""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
from typing import Any, Final

import faust
from faust.types.auth import AuthProtocol

from topics.errors import TaplineError
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

_STOP_DEADLINE: Final = 5.0


def build_app(kafka: KafkaSettings, settings: WorkersSettings, monitors: tuple[str, ...]) -> faust.App:
    """An app whose consumer group is that of these monitors (all of them when none is named)."""
    group = "-".join((settings.group, *sorted(monitors)))
    return faust.App(
        group,
        broker=[f"kafka://{address.strip()}" for address in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        store="memory://",
        # Nothing is kept in it, but Faust makes it where it stands otherwise.
        datadir=f"{tempfile.gettempdir()}/tapline-faust-{os.getuid()}",
        processing_guarantee="at_least_once",
        autodiscover=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=64,
        broker_commit_livelock_soft_timeout=3600,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=min(1.0, settings.session_timeout / 6),
        broker_rebalance_timeout=20,
        broker_request_timeout=20,
        broker_max_poll_records=50,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=3000,
        consumer_max_fetch_size=8 * 1024 * 1024,
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_request_size=8 * 1024 * 1024,
        producer_compression_type="zstd",
    )


def _credentials(kafka: KafkaSettings) -> Any:
    context = _tls(kafka) if kafka.has_tls else None
    if kafka.has_password:
        credentials = faust.SASLCredentials(
            username=kafka.username, password=kafka.secret(), mechanism=kafka.mechanism, ssl_context=context
        )
        if context is None:
            credentials.protocol = AuthProtocol.SASL_PLAINTEXT
        return credentials
    return faust.SSLCredentials(context=context) if context is not None else None


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    kafka.check_files()
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file or None)
        if kafka.certificate_file:
            context.load_cert_chain(kafka.certificate_file, kafka.key_file)
    except (OSError, ssl.SSLError) as error:
        raise TaplineError(f"the certificates of kafka: cannot be used ({error}): name files in PEM form") from error
    return context


def run_app(app: faust.App) -> None:
    """Run an app in this process until SIGTERM or SIGINT."""
    _Worker(app, loglevel=None, quiet=True, redirect_stdouts=False, override_logging=False).execute_from_commandline()


class _Worker(faust.Worker):
    """Faust's worker, with an end that cannot hang: what is not stopped in time is ended hard."""

    def _on_sigterm(self) -> None:
        timer = threading.Timer(_STOP_DEADLINE, os._exit, args=(0,))
        timer.daemon = True
        timer.start()
        super()._on_sigterm()
