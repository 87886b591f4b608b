package frontend

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/temporalproto/openapi"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/metadata"

	"perdure/server/config"
	"perdure/server/doctorpb"
	"perdure/server/ledgerpb"
	"perdure/server/searchpb"
)

// HTTPConfig is what the HTTP/JSON API can be told.
type HTTPConfig struct {
	// Hosts are the values of the Host header that are served, without port;
	// empty serves all.
	Hosts []string
	// ForwardHeaders are passed to the services as metadata beside the usual ones.
	ForwardHeaders []string
	// Observe is told of every request, when set. It must not block.
	Observe func(method string, status int, seconds float64)
}

// forwardedHeaders are passed to the services under their own names.
var forwardedHeaders = []string{"Authorization", "Authorization-Extras", "X-Forwarded-For", "Client-Name", "Client-Version", "Perdure-Visibility-Fresh", "Traceparent", "Tracestate"}

// httpTimeout bounds a request that brings no timeout of its own. A long poll
// ends before it.
const httpTimeout = 70 * time.Second

// HTTPHandler serves the HTTP/JSON API: every RPC under the routes of the
// protocol's definition, and the documents that describe them.
func (f *Frontend) HTTPHandler(c HTTPConfig) (http.Handler, error) {
	gateway := runtime.NewServeMux(append(jsonMarshalers(),
		runtime.WithIncomingHeaderMatcher(headerMatcher(c.ForwardHeaders)),
		runtime.WithMetadata(clientName),
	)...)
	conn := f.LocalConn()
	workflows := workflowservice.NewWorkflowServiceClient(conn)
	if err := workflowservice.RegisterWorkflowServiceHandlerClient(context.Background(), gateway, workflows); err != nil {
		return nil, err
	}
	if err := f.registerTrace(gateway, workflows); err != nil {
		return nil, err
	}
	if err := operatorservice.RegisterOperatorServiceHandlerClient(context.Background(), gateway, operatorservice.NewOperatorServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := registerSearch(gateway, searchpb.NewSearchServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := registerLedger(gateway, ledgerpb.NewLedgerServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := registerDoctor(gateway, doctorpb.NewDoctorServiceClient(conn)); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /swagger.json", document(openapi.OpenAPIV2JSONSpec, "application/vnd.oai.openapi+json;version=2.0"))
	mux.Handle("GET /openapi.yaml", document(openapi.OpenAPIV3YAMLSpec, "application/vnd.oai.openapi;version=3.0"))
	mux.Handle("/", chooseFormat(gateway))
	return f.observed(c, onlyHosts(c.Hosts, http.MaxBytesHandler(withTimeout(mux), config.RequestBytesMax))), nil
}

func headerMatcher(more []string) runtime.HeaderMatcherFunc {
	names := map[string]string{}
	for _, name := range append(append([]string{}, forwardedHeaders...), more...) {
		names[http.CanonicalHeaderKey(name)] = strings.ToLower(name)
	}
	return func(header string) (string, bool) {
		if name, ok := names[http.CanonicalHeaderKey(header)]; ok {
			return name, true
		}
		if strings.HasPrefix(http.CanonicalHeaderKey(header), runtime.MetadataHeaderPrefix) {
			return strings.ToLower(header[len(runtime.MetadataHeaderPrefix):]), true
		}
		return "", false
	}
}

// clientName names the client of a request that does not name itself.
func clientName(_ context.Context, r *http.Request) metadata.MD {
	if r.Header.Get("Client-Name") != "" {
		return nil
	}
	return metadata.Pairs("client-name", "perdure-http", "client-version", ServerVersion)
}

// document serves a file that the API module brings along, compressed.
func document(compressed []byte, contentType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(compressed)
			return
		}
		plain, err := gzip.NewReader(bytes.NewReader(compressed))
		if err != nil {
			http.Error(w, "the document cannot be read", http.StatusInternalServerError)
			return
		}
		_, _ = io.Copy(w, plain) // the client went away
	})
}

func onlyHosts(hosts []string, next http.Handler) http.Handler {
	if len(hosts) == 0 {
		return next
	}
	allowed := map[string]bool{}
	for _, host := range hosts {
		allowed[strings.ToLower(host)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !allowed[strings.ToLower(host)] {
			http.Error(w, "host is not allowed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func withTimeout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), httpTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (f *Frontend) observed(c HTTPConfig, next http.Handler) http.Handler {
	if c.Observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, recorded := f.clock.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorded, r)
		c.Observe(r.Method, recorded.status, f.clock.Now().Sub(started).Seconds())
	})
}

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
