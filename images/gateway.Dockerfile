# The gateway: nginx with its Lua module from Debian's packages. It is the only way out of an agent's container and the
# only place where the API key is; its configuration comes through standard input at start and is in no layer.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      nginx libnginx-mod-http-lua ca-certificates \
 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled /etc/nginx/conf.d /etc/nginx/modules-enabled \
 && mkdir -p /gateway && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
