// Package elastic keeps visibility in Elasticsearch 8 or 9 with nothing but what
// the bare server has: no plugins, no scripts. OpenSearch serves as well, but
// cannot order lists by attributes that users define.
//
// The mapping is the same whatever attributes users define. What every run has
// are fields of their own. Each other attribute is a term "key=value" among the
// terms of its document, in a form whose byte order is the order of the values,
// so that filters are exact: for 64-bit integers, for nanoseconds, for bytes.
// What terms alone cannot tell is looked up in the record itself, page by page.
package elastic

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"perdure/visibility"
)

// Defaults of Options.
const (
	PrefixDefault     = "perdure-visibility"
	RefreshDefault    = time.Second
	WritersDefault    = 2
	BatchBytesDefault = 8 << 20
)

// Options say where the index is and how to write to it.
type Options struct {
	URLs     []string // of the nodes: http://host:9200
	User     string   // with Password, unless APIKey is set
	Password string
	APIKey   string // base64, as Elasticsearch gives it
	CACert   []byte // PEM of who signed the nodes' certificates; nil: the system's

	Prefix  string        // begins the names of the index and its aliases
	Refresh time.Duration // how long a write may stay out of sight of reads
	Shards  int           // of a new index; 0: 1

	// AllowAsyncDurability takes an index that loses acknowledged writes when a node fails.
	AllowAsyncDurability bool

	Writers    int // bulk requests at once
	BatchBytes int // of one bulk request, in bytes, unless one record is larger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = PrefixDefault
	}
	if o.Refresh <= 0 {
		o.Refresh = RefreshDefault
	}
	o.Shards = max(o.Shards, 1)
	if o.Writers <= 0 {
		o.Writers = WritersDefault
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = BatchBytesDefault
	}
	return o
}

// prefixForm is what every server accepts in an index name, and in a path as it stands.
var prefixForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// Store is a visibility.Store in Elasticsearch. Several processes may use it.
// A read sees a write after a refresh: Options.Refresh later, or after Refresh.
type Store struct {
	options   Options
	transport *elastictransport.Client
	idle      *http.Transport
	writers   chan struct{} // holds one for each bulk request under way
	// withoutValues tells that the server can neither sort nor group by attributes without a column.
	withoutValues atomic.Bool
	swept         atomic.Int64 // when old tombstones were last looked for, in nanoseconds since 1970
}

var (
	_ visibility.Store     = (*Store)(nil)
	_ visibility.Refresher = (*Store)(nil)
)

// Open connects to the servers, and creates the index and its aliases when
// they are not there. It refuses an index that is not as this program needs it.
func Open(ctx context.Context, options Options) (*Store, error) {
	s, err := connect(options.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("visibility index: %w", err)
	}
	if err := s.Prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("visibility index: %w", err), s.Close())
	}
	return s, nil
}

func connect(o Options) (*Store, error) {
	if !prefixForm.MatchString(o.Prefix) {
		return nil, fmt.Errorf("prefix %q: lower case letters, digits, - and _ only", o.Prefix)
	}
	addresses, err := parseURLs(o.URLs)
	if err != nil {
		return nil, err
	}
	roundTripper, err := newRoundTripper(o.CACert)
	if err != nil {
		return nil, err
	}
	transport, err := elastictransport.New(elastictransport.Config{
		URLs: addresses, Username: o.User, Password: o.Password, APIKey: o.APIKey,
		Transport: roundTripper, UserAgent: "perdure",
		// Every request may be sent again, writes too: their versions see to it. So another node is asked at once.
		DisableRetry: len(addresses) == 1, MaxRetries: len(addresses) - 1,
		RetryOnError: func(req *http.Request, _ error) bool { return req.Context().Err() == nil },
	})
	if err != nil {
		return nil, err
	}
	return &Store{options: o, transport: transport, idle: roundTripper, writers: make(chan struct{}, o.Writers)}, nil
}

func parseURLs(texts []string) ([]*url.URL, error) {
	if len(texts) == 0 {
		return nil, errors.New("no URL of a server")
	}
	parsed := make([]*url.URL, len(texts))
	for i, text := range texts {
		address, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		if address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
			return nil, fmt.Errorf("URL %q: expected http://host:port", address.Redacted())
		}
		parsed[i] = address
	}
	return parsed, nil
}

// newRoundTripper keeps as many connections as are used at once.
func newRoundTripper(caCert []byte) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	if caCert == nil {
		return transport, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caCert) {
		return nil, errors.New("no certificate in CACert")
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// Name implements visibility.Store.
func (s *Store) Name() string { return "elasticsearch" }

// Close implements visibility.Store.
func (s *Store) Close() error {
	s.idle.CloseIdleConnections()
	return nil
}

func (s *Store) indexName() string {
	return fmt.Sprintf("%s-s%d-0001", s.options.Prefix, schemaVersion)
}

// writeAlias names one index, readAlias all of them.
func (s *Store) writeAlias() string { return s.options.Prefix + "-write" }
func (s *Store) readAlias() string  { return s.options.Prefix + "-read" }

// milliseconds is a duration as Elasticsearch reads it.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
