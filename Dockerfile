# The peer as an image. Builds with any builder, the classic one included:
#   just peer-cli-image        (or: docker build -t peer-cli .)
# What is sent to the engine is listed in .dockerignore.

# What the finished image and the build have in common.
FROM debian:bookworm-slim AS system
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM system AS build
# The reference unrar is in Debian's component non-free; official images list their sources in
# debian.sources, images made by debootstrap in sources.list.
RUN find /etc/apt -name '*.list' -o -name '*.sources' \
        | xargs sed -i -E '/^(deb|Components:) /s/ main( |$)/ main non-free\1/' \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-pip unrar \
    && cp --dereference /usr/bin/unrar /usr/local/bin/unrar
WORKDIR /build
# A ca-bundle.crt is in the context only where the host has its own certificates, behind a proxy for
# instance. It and the settings of pip stay in this stage.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY pyproject.toml ca-bundle.crt* ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        > requirements.txt \
    && python3 -m venv --without-pip /opt/venv \
    && if [ -e ca-bundle.crt ]; then export PIP_CERT=/build/ca-bundle.crt; fi \
    && python3 -m pip --python /opt/venv/bin/python install \
        --no-cache-dir --no-compile --disable-pip-version-check --requirement requirements.txt \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv

FROM system
RUN useradd --uid 1000 --user-group --no-create-home peer \
    && install --directory --owner=peer --group=peer /games /state
COPY --from=build /usr/local/bin/unrar /usr/local/bin/unrar
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PEER_CLI_CATALOG_DB=/app/game.db \
    PEER_CLI_GAMES_DIR=/games \
    PEER_CLI_STATE_DIR=/state
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/venv/bin/python", "-m", "peer_cli"]
# What changes most often comes last, so that a new build is short. Byte code is trusted unchecked:
# nothing changes in an image, and each check costs a look-up.
COPY fixtures/catalog.py fixtures/catalog.json /tmp/fixtures/
COPY peer_cli /app/peer_cli
RUN PYTHONPATH=/app:/tmp python -m fixtures.catalog /app/game.db \
    && python -m compileall -q --invalidation-mode unchecked-hash /app \
    && rm -r /tmp/fixtures
USER peer
