package frontend

import (
	"context"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"perdure/server/apierr"
)

// supportedClients are the versions of clients that this server works with.
// Other clients are not checked.
var supportedClients = map[string]string{
	"temporal-go": "<2.0.0", "temporal-java": "<2.0.0", "temporal-php": "<2.0.0", "temporal-typescript": "<2.0.0",
	"temporal-cli": "<2.0.0", "temporal-server": "<2.0.0", "temporal-ui": "<3.0.0", "Nexus-go-sdk": "<2.0.0",
}

// checkClient refuses clients of a version that cannot work with this server.
func (f *Frontend) checkClient(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	name, version := header(ctx, "client-name"), header(ctx, "client-version")
	if err := checkClientVersion(name, version); err != nil {
		return nil, err
	}
	if err := checkServerVersion(header(ctx, "supported-server-versions")); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func checkClientVersion(name, version string) error {
	supported, known := supportedClients[name]
	if !known || version == "" {
		return nil
	}
	v, err := parseVersion(version)
	if err != nil {
		return apierr.InvalidArgument("Unable to parse client version: %v", err)
	}
	if allowed, err := parseVersionRange(supported); err == nil && !allowed(v) {
		return serviceerror.NewClientVersionNotSupported(version, name, supported)
	}
	return nil
}

// checkServerVersion holds the version range a client asks for against ours.
func checkServerVersion(supported string) error {
	if supported == "" {
		return nil
	}
	allowed, err := parseVersionRange(supported)
	if err != nil {
		return apierr.InvalidArgument("Unable to parse supported server versions: %v", err)
	}
	own, err := parseVersion(ServerVersion)
	if err != nil {
		return err
	}
	if !allowed(own) {
		return serviceerror.NewServerVersionNotSupported(ServerVersion, supported)
	}
	return nil
}

// header is the first value of a request header, empty when there is none.
func header(ctx context.Context, name string) string {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return values[0]
	}
	return ""
}
