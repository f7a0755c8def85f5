# Images of the programs, one target each. Works with any builder, including the classic one:
#   just peer-cli-image        (or: docker build --target peer -t peer-cli .)
# .dockerignore lists the files that are sent to the engine.

# The base is pinned by digest, so that nobody can replace it. Without access to a registry,
# `just peer-cli-image` passes one that it made from Debian's packages.
ARG BASE=debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

# The common part of the final images and the build. Programs and scenarios mount with FUSE. The
# reference unrar is in Debian's component non-free. Official images list their package sources in
# debian.sources, home-made ones in sources.list.
FROM ${BASE} AS system
RUN find /etc/apt -name '*.list' -o -name '*.sources' \
        | xargs sed -i -E '/^(deb|Components:) /s/ main( |$)/ main non-free\1/' \
    && apt-get update \
    && apt-get install --yes --no-install-recommends fuse3 python3 unrar \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM system AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3-pip
WORKDIR /build
# The context has a ca-bundle.crt only if the host has its own certificates, for example behind a proxy.
# The bundle and pip's settings stay in this stage.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements/peer-cli.txt ca-bundle.crt* ./
RUN python3 -m venv --without-pip /opt/venv \
    && if [ -e ca-bundle.crt ]; then export PIP_CERT=/build/ca-bundle.crt; fi \
    && python3 -m pip --python /opt/venv/bin/python install \
        --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --requirement peer-cli.txt \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv

# The base of every program: Python with what all programs share.
FROM system AS headless
RUN useradd --uid 1000 --user-group --no-create-home node
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1
STOPSIGNAL SIGTERM
# The files that change most often come last, so that rebuilds are short. Byte code is not checked
# against its source: nothing changes in an image, and each check would cost a stat call.
COPY headless /app/headless
COPY network /app/network
COPY store /app/store
RUN python -m compileall -q --invalidation-mode unchecked-hash /app
USER node
ENTRYPOINT ["/opt/venv/bin/python"]

FROM headless AS peer
USER root
RUN install --directory --owner=node --group=node /games /state
ENV PEER_CLI_CATALOG_DB=/app/game.db \
    PEER_CLI_GAMES_DIR=/games \
    PEER_CLI_STATE_DIR=/state
ENTRYPOINT ["/opt/venv/bin/python", "-m", "peer_cli"]
COPY fixtures/lan_spread/catalog.py fixtures/lan_spread/catalog.json /tmp/fixtures/lan_spread/
COPY peer_cli /app/peer_cli
RUN PYTHONPATH=/app:/tmp python -m fixtures.lan_spread.catalog /app/game.db \
    && python -m compileall -q --invalidation-mode unchecked-hash /app \
    && rm -r /tmp/fixtures
USER node

FROM headless AS tunnel
USER root
ENTRYPOINT ["/opt/venv/bin/python", "-m", "tunnel_cli"]
COPY tunnel_cli /app/tunnel_cli
RUN python -m compileall -q --invalidation-mode unchecked-hash /app
USER node

# The device /dev/fuse and the right to mount come from whoever starts it.
FROM headless AS pair
USER root
RUN install --directory --owner=node --group=node /folder /state /mount
ENV PAIR_CLI_FOLDER=/folder \
    PAIR_CLI_STATE_DIR=/state
ENTRYPOINT ["/opt/venv/bin/python", "-m", "pair_cli"]
COPY pair_cli /app/pair_cli
RUN python -m compileall -q --invalidation-mode unchecked-hash /app
USER node

# With what people do on a mount, for scenarios.
FROM pair AS pair-desk
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git rsync \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER node

FROM headless AS sync
USER root
ENTRYPOINT ["/opt/venv/bin/python", "-m", "sync_cli"]
COPY sync_cli /app/sync_cli
RUN python -m compileall -q --invalidation-mode unchecked-hash /app
USER node

# Not a program: what downloads are compared with (`just bench --backend docker`).
FROM peer AS bench
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        aria2 curl iperf3 nginx-light python3-libtorrent rsync syncthing \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# nginx is not in the path otherwise, and the scripts import what lies beside them.
ENV PATH=$PATH:/usr/sbin PYTHONSAFEPATH=
USER node
ENTRYPOINT ["/opt/venv/bin/python"]
