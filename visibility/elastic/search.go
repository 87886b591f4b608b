package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// errPartial tells that an answer would have been of a part of the index.
var errPartial = errors.New("not all shards answered in time")

// searchAnswer is what this package reads of a search.
type searchAnswer struct {
	TimedOut bool `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]json.RawMessage `json:"aggregations"`
}

type hit struct {
	ID      string `json:"_id"`
	Version int64  `json:"_version"`
	Source  struct {
		Record     []byte `json:"record"`
		RunID      string `json:"run_id"`
		WorkflowID string `json:"workflow_id"`
	} `json:"_source"`
}

// search reads the index; an answer that is not whole is an error.
func (s *Store) search(ctx context.Context, body object, out *searchAnswer) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	partial := false
	request := esapi.SearchRequest{Index: []string{s.readAlias()}, Body: bytes.NewReader(text), AllowPartialSearchResults: &partial}
	answer, err := request.Do(ctx, s.transport)
	if err := decode(answer, err, out); err != nil {
		return err
	}
	if out.TimedOut || out.Shards.Failed > 0 {
		return errPartial
	}
	return nil
}
