"""The network: overview, hosts, resources, flow trackers, the pipeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from console.api.answers import PROBLEMS
from console.data.hosts import HostDetails, HostList, address_of, host_details, host_list
from console.data.overview import Overview, overview
from console.data.pipeline import Pipeline, pipeline
from console.data.resources import ResourceList, resource_list
from console.data.trackers import TrackerList, tracker_list
from console.web.access import Asked, Viewer
from console.web.spans import AskedSpan

router = APIRouter(tags=["network"], responses=PROBLEMS)


@router.get("/overview")
def read_overview(console: Asked, _: Viewer, span: AskedSpan) -> Overview:
    """The network at a glance."""
    return overview(console.store, span)


@router.get("/hosts")
def read_hosts(
    console: Asked, _: Viewer, span: AskedSpan, search: Annotated[str, Query(max_length=64)] = ""
) -> HostList:
    """The hosts with the most bytes, of a network or with an address that begins so."""
    return host_list(console.store, span, search)


@router.get("/hosts/{address}")
def read_host(console: Asked, _: Viewer, span: AskedSpan, address: Annotated[str, Path(max_length=64)]) -> HostDetails:
    """All about one host."""
    return host_details(console.store, span, address_of(address))


@router.get("/resources/{kind}")
def read_resources(
    console: Asked,
    _: Viewer,
    span: AskedSpan,
    kind: Annotated[str, Path(max_length=20)],
    search: Annotated[str, Query(max_length=200)] = "",
    host: Annotated[str, Query(max_length=64)] = "",
) -> ResourceList:
    """The newest resources of a kind: dns, url, tls, x509, file, ssh, smb, login."""
    return resource_list(console.store, span, kind, search, address_of(host) if host else "")


@router.get("/trackers")
def read_trackers(console: Asked, _: Viewer, span: AskedSpan) -> TrackerList:
    """The flow trackers with their largest flows."""
    return tracker_list(console.store, span)


@router.get("/pipeline")
def read_pipeline(console: Asked, _: Viewer, span: AskedSpan) -> Pipeline:
    """How the system itself fares."""
    lag, problem = console.lag.now()
    return pipeline(console.store, span, lag, problem)
