# The daemon, its web server and its workers: one image, chosen by the command.
#   docker build -t channelsync .
#   docker run -v channelsync:/data -p 127.0.0.1:8484:8484 channelsync
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Dependencies first, each with its hash: this layer is built again only when a lock file changes.
COPY requirements-build.lock requirements.lock ./
RUN python -m venv /opt/channelsync \
    && /opt/channelsync/bin/python -m pip install --require-hashes -r requirements.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --require-hashes -r requirements-build.lock
# Code second. Nothing is resolved or downloaded any more.
COPY LICENSE README.md pyproject.toml ./
COPY config config
COPY migrations migrations
COPY templates templates
COPY src src
COPY connectors connectors
RUN /opt/build/bin/python -m pip wheel --no-index --no-deps --no-build-isolation -w dist . \
    && /opt/channelsync/bin/python -m pip install --no-index --no-deps dist/*.whl \
    && /opt/channelsync/bin/python -m pip check \
    && /opt/channelsync/bin/python -m compileall -q /opt/channelsync/lib

FROM ${PYTHON_IMAGE}
# A number, not a name: Kubernetes' runAsNonRoot can prove a number only.
RUN mkdir /data && chown 10001:10001 /data
COPY --from=build /opt/channelsync /opt/channelsync
ENV PATH=/opt/channelsync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CHANNELSYNC_DATA_DIR=/data \
    CHANNELSYNC_HOST=0.0.0.0 \
    CHANNELSYNC_PORT=8484
USER 10001:10001
# The configuration file and, with SQLite, the database live here.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8484
# Asks over loopback, with a loopback Host header, as any other local reader would.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['CHANNELSYNC_PORT']}/livez\", timeout=4)"]
ENTRYPOINT ["channelsync"]
CMD ["run"]
