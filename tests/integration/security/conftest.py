"""The secured cluster, which the tests of this folder share, and deployments on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engines import engine_folder
from tests.integration.security.cluster import SecuredCluster, secured_cluster
from tests.integration.security.deployment import USERS, Deployment


@pytest.fixture(scope="package")
def cluster() -> Iterator[SecuredCluster]:
    with engine_folder() as folder, secured_cluster(folder) as cluster:
        cluster.add_users(list(USERS.values()))
        yield cluster


@pytest.fixture(scope="package")
def shared(cluster: SecuredCluster, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """One for tests that leave things as they are and need no Elasticsearch."""
    made = Deployment(cluster, "http://127.0.0.1:1", tmp_path_factory.mktemp("shared"))
    made.prepare()
    return made


@pytest.fixture
def into_files(cluster: SecuredCluster, tmp_path: Path) -> Deployment:
    """One without an Elasticsearch: what comes out of it is counted in files."""
    made = Deployment(cluster, "http://127.0.0.1:1", tmp_path)
    made.prepare()
    return made


@pytest.fixture
def deployment(cluster: SecuredCluster, elasticsearch: str, tmp_path: Path) -> Deployment:
    made = Deployment(cluster, elasticsearch, tmp_path)
    made.prepare()
    return made
