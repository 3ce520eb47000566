# SPDX-License-Identifier: Apache-2.0
# docker build -t gyre:0.1.0 .
# The image holds the binary, the libraries that it is linked with, certificates, and nothing to start a shell with. It
# runs as uid 65532 and writes to /var/lib/gyre only: run it with --read-only.
ARG DEBIAN=debian:12-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY dev .
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(./dev packages)
COPY CMakeLists.txt CMakePresets.json ./
COPY deploy/package.cmake deploy/
COPY base base
COPY schemas schemas
COPY state state
COPY stages stages
COPY playbooks playbooks
COPY tools tools
COPY pipeline pipeline
ARG JOBS=2
RUN cmake --preset release -DBUILD_TESTING=OFF && nice -n 10 ninja -C build/release -j${JOBS} gyre && strip build/release/gyre
COPY LICENSE NOTICE ./
COPY deploy deploy
RUN deploy/image_root build/release/gyre /image && install -d -m 700 /state

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gyre" \
      org.opencontainers.image.description="Turns Falco alerts on Kafka into few, correct reports, each alert counted exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /var/lib/gyre
USER 65532:65532
VOLUME /var/lib/gyre
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/bin/gyre", "health", "-c", "/etc/gyre/gyre.yaml"]
ENTRYPOINT ["/usr/bin/gyre"]
CMD ["run", "-c", "/etc/gyre/gyre.yaml"]
