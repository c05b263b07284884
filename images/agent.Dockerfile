# A coding agent's image: Debian, Node.js and Python, and the packages of one recipe at their pinned versions. NPM and PIP
# are those packages; the host's certificates are used while installing and are not in the image.
ARG BASE=debian:trixie-slim
FROM ${BASE} AS system
ARG DEBIAN=""
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      ca-certificates coreutils findutils git libatomic1 nodejs procps python3 python3-venv ripgrep socat util-linux $DEBIAN \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /lab /task /home/agent /gateway && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

FROM system AS tools
LABEL autoresearch.stage=agent
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm \
 && rm -rf /var/lib/apt/lists/*

FROM tools AS install
ARG NPM=""
ARG PIP=""
ARG NPM_CONFIG_REGISTRY
ARG PIP_INDEX_URL
COPY certificates.pem /certificates.pem
RUN mkdir -p /opt/agent && export NODE_EXTRA_CA_CERTS=/certificates.pem PIP_CERT=/certificates.pem \
 && if [ -n "$NPM" ]; then npm install --prefix /opt/agent --no-fund --no-audit --no-update-notifier $NPM; fi \
 && if [ -n "$PIP" ]; then python3 -m venv /opt/agent/python \
      && /opt/agent/python/bin/pip install --quiet --no-cache-dir --disable-pip-version-check $PIP; fi

FROM system
COPY --from=install /opt/agent /opt/agent
ENV PATH=/opt/agent/node_modules/.bin:/opt/agent/python/bin:/usr/local/bin:/usr/bin:/bin
