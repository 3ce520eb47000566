# SPDX-License-Identifier: Apache-2.0
# docker build -t gyre:0.1.0 .         The image holds the binary, the libraries that it is linked with, and nothing to start
# a shell with. It runs as uid 65532 on a read-only root; only /var/lib/gyre is written.
ARG DEBIAN=debian:12-slim

FROM ${DEBIAN} AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates cmake ninja-build g++ pkg-config python3 \
      librdkafka-dev libsimdjson-dev librocksdb-dev prometheus-cpp-dev libcivetweb-dev libgtest-dev libgmock-dev \
      libprotobuf-dev protobuf-compiler libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev libre2-dev libssl-dev \
      libxxhash-dev libexpected-dev zlib1g-dev libzstd-dev nlohmann-json3-dev
WORKDIR /src
COPY . .
ARG JOBS=2
RUN cmake --preset release -DBUILD_TESTING=OFF && nice -n 10 ninja -C build/release -j${JOBS} gyre && strip build/release/gyre
# The root of the image: the binary, what ldd says it needs, certificates, names of users, /tmp and the state's directory.
RUN deploy/image_root build/release/gyre /root-of-image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gyre" \
      org.opencontainers.image.description="Turns Falco alerts on Kafka into few, correct reports, exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-of-image /
USER 65532:65532
VOLUME /var/lib/gyre
EXPOSE 9464
ENTRYPOINT ["/usr/bin/gyre"]
CMD ["run", "-c", "/etc/gyre/gyre.yaml"]
