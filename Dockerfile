# perdure: the server. shop: the same with the demo workers. Both run as a user without rights, from an image without a shell.
#   docker build --target perdure -t perdure:dev .
FROM golang:1.26.7-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOCACHE=/cache/build GOMODCACHE=/cache/modules
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/cache go mod download
COPY . .
RUN --mount=type=cache,target=/cache go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/perdure ./examples/shop

FROM gcr.io/distroless/static-debian12:nonroot AS perdure
COPY --from=build /out/perdure /usr/local/bin/perdure
USER 65532:65532
EXPOSE 7233 7243 9233
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["perdure", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["perdure"]
CMD ["server"]

FROM perdure AS shop
COPY --from=build /out/shop /usr/local/bin/shop
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["perdure", "health", "--address", "127.0.0.1:9464"]
ENTRYPOINT ["shop"]
CMD []
