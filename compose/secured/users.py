#!/opt/tapline/bin/python
"""Gives each component its user of Kafka, with the password that is in the file of its name, as Kafka's administrator.

Done at each start: a password that was changed is the user's from then on.
"""

from pathlib import Path

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from tapline.configuration import load
from topics.admin import connect
from topics.errors import TaplineError

SECRETS = Path("/run/secrets")
ITERATIONS = 8192
SECONDS = 60.0


def main() -> None:
    """Set all of them, or say which cannot be."""
    admin, _ = connect(load().configuration.kafka)
    users = [
        UserScramCredentialUpsertion(
            file.stem,
            ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS),
            file.read_text(encoding="utf-8").splitlines()[0].encode(),
        )
        for file in sorted(SECRETS.glob("*.password"))
    ]
    for name, future in admin.alter_user_scram_credentials(users, request_timeout=SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            raise TaplineError(f"the user {name} cannot be given a password: {error.args[0].str()}") from error
    click.echo(f"gave {len(users)} users their passwords")


if __name__ == "__main__":
    try:
        main()
    except TaplineError as error:
        raise SystemExit(f"users: {error}") from error
