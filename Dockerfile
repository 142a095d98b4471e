# `changefeed process` as an image: built from the source, on a base without a shell, run by a user that is not root.
#
#     docker build --tag changefeed .
#     docker build --tag changefeed --build-arg CHANGEFEED_FEATURES=otlp .     # with the export of traces and logs
#     docker run --env CosmosDB --publish 8090:8090 changefeed
FROM rust:1.95-bookworm AS build
# The toolchain of the image, without the components for development that rust-toolchain.toml names.
ENV RUSTUP_TOOLCHAIN=1.95.0
ARG CHANGEFEED_FEATURES=""
WORKDIR /changefeed
COPY . .
RUN cargo build --locked --release --package changefeed --no-default-features --features "$CHANGEFEED_FEATURES" \
  && python3 scripts/package.d/licences.py --target "$(rustc --version --verbose | sed -n 's/^host: //p')" >THIRD-PARTY-LICENCES.txt

# glibc 2.36, as the build above, certificates, and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /changefeed/target/release/changefeed /usr/local/bin/changefeed
COPY --from=build /changefeed/LICENSE /changefeed/THIRD-PARTY-LICENCES.txt /usr/share/doc/changefeed/
USER 65532:65532
EXPOSE 8090
ENTRYPOINT ["/usr/local/bin/changefeed"]
CMD ["process", "--health-port", "8090", "--health-address", "0.0.0.0"]
