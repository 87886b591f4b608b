package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"perdure/server/cluster"
	"perdure/server/nexus"
)

// answerBytesMax is how much of an answer is read, so that its connection can be used again.
const answerBytesMax = 64 << 10

// userAgent names this server to those it calls.
const userAgent = "perdure"

// client makes HTTP requests.
type client struct {
	http    *http.Client
	allowed nexus.AddressRules
	timeout time.Duration
}

func newClient(c Config) *client {
	transport := c.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost = c.DestinationCallsMax
		own.DisableCompression = true // nobody reads the answer
		transport = own
	}
	return &client{
		allowed: c.Allowed, timeout: c.RequestTimeout,
		http: &http.Client{
			Transport: transport,
			// An allowed address must not lead to one that is not.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Post implements cluster.OutboundClient.
func (c *client) Post(ctx context.Context, r nexus.Request) (nexus.Response, error) {
	if reason := c.allowed.Check(r.URL); reason != "" {
		return nexus.Response{}, fmt.Errorf("%w: %s", cluster.ErrNotAllowed, reason)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nexus.Response{}, err
	}
	request.Header.Set("User-Agent", userAgent)
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	answer, err := c.http.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return nexus.Response{}, fmt.Errorf("no answer within %v: %w", c.timeout, err)
	}
	if err != nil {
		return nexus.Response{}, err
	}
	defer func() { _ = answer.Body.Close() }() // what is left of the answer is of no interest
	_, _ = io.CopyN(io.Discard, answer.Body, answerBytesMax)
	return nexus.Response{StatusCode: answer.StatusCode, Status: answer.Status, Retryable: answer.Header.Get(nexus.HeaderRetryable)}, nil
}
