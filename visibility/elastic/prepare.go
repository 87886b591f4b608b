package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Prepare creates the index and its aliases when they are not there, and checks
// that the index is as this program needs it. It is for Open, and for a rebuild
// after an index was lost: nothing else brings it back, since an index that
// silently begins anew would hide every older run.
func (s *Store) Prepare(ctx context.Context) error {
	exists, err := s.aliasExists(ctx)
	if err != nil {
		return err
	}
	if !exists {
		err := s.create(ctx, true)
		if isUnknownType(err) {
			err = s.create(ctx, false)
		}
		if err != nil {
			return fmt.Errorf("create index: %w", err)
		}
	}
	if err := s.checkMapping(ctx); err != nil {
		return err
	}
	return s.checkSettings(ctx)
}

func (s *Store) aliasExists(ctx context.Context) (bool, error) {
	answer, err := esapi.IndicesGetAliasRequest{Name: []string{s.writeAlias()}}.Do(ctx, s.transport)
	err = decode(answer, err, nil)
	if isAnswer(err, http.StatusNotFound, "") {
		return false, nil
	}
	return err == nil, err
}

// isUnknownType tells that a server cannot have values to sort by.
func isUnknownType(err error) bool {
	return isAnswer(err, http.StatusBadRequest, "mapper_parsing_exception") && strings.Contains(err.Error(), "["+valuesType+"]")
}

// create is no error when another process was first.
func (s *Store) create(ctx context.Context, withValues bool) error {
	body, err := json.Marshal(object{
		"settings": settings(s.options),
		"mappings": mapping(withValues),
		"aliases":  object{s.writeAlias(): object{"is_write_index": true}, s.readAlias(): object{}},
	})
	if err != nil {
		return err
	}
	answer, err := esapi.IndicesCreateRequest{Index: s.indexName(), Body: bytes.NewReader(body)}.Do(ctx, s.transport)
	err = decode(answer, err, nil)
	if isAnswer(err, http.StatusBadRequest, "resource_already_exists_exception") {
		return nil
	}
	return err
}

func (s *Store) checkMapping(ctx context.Context) error {
	var indices map[string]struct {
		Mappings struct {
			Dynamic json.RawMessage `json:"dynamic"`
			Meta    struct {
				Schema int `json:"schema"`
			} `json:"_meta"`
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"mappings"`
	}
	answer, err := esapi.IndicesGetMappingRequest{Index: []string{s.writeAlias()}}.Do(ctx, s.transport)
	if err := decode(answer, err, &indices); err != nil {
		return fmt.Errorf("read mapping: %w", err)
	}
	for name, index := range indices {
		s.withoutValues.Store(index.Mappings.Properties[fieldValues] == nil)
		if index.Mappings.Meta.Schema != schemaVersion {
			return fmt.Errorf("index %s has schema %d, this program needs %d: rebuild it", name, index.Mappings.Meta.Schema, schemaVersion)
		}
		if string(bytes.Trim(index.Mappings.Dynamic, `"`)) != "false" {
			return fmt.Errorf("index %s has a dynamic mapping: its fields would grow without bound", name)
		}
	}
	return nil
}

// indexSettings are those that can be wrong without any write failing.
type indexSettings struct {
	Durability   string `json:"index.translog.durability"`
	DeleteMemory string `json:"index.gc_deletes"`
	Refresh      string `json:"index.refresh_interval"`
}

func (s *Store) checkSettings(ctx context.Context) error {
	var indices map[string]struct {
		Settings indexSettings `json:"settings"`
	}
	flat := true
	answer, err := esapi.IndicesGetSettingsRequest{Index: []string{s.writeAlias()}, FlatSettings: &flat}.Do(ctx, s.transport)
	if err := decode(answer, err, &indices); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	for name, index := range indices {
		if index.Settings.Durability == "async" && !s.options.AllowAsyncDurability {
			return fmt.Errorf("index %s has index.translog.durability=async: it loses acknowledged records when a node fails", name)
		}
		if index.Settings.Refresh != milliseconds(s.options.Refresh) || index.Settings.DeleteMemory != milliseconds(deleteMemory) {
			if err := s.changeSettings(ctx, name); err != nil {
				return fmt.Errorf("set refresh interval: %w", err)
			}
		}
	}
	return nil
}

// changeSettings brings what can change while the index is in use to what the options say.
func (s *Store) changeSettings(ctx context.Context, index string) error {
	body, err := json.Marshal(object{"index": object{
		"refresh_interval": milliseconds(s.options.Refresh),
		"gc_deletes":       milliseconds(deleteMemory),
	}})
	if err != nil {
		return err
	}
	answer, err := esapi.IndicesPutSettingsRequest{Index: []string{index}, Body: bytes.NewReader(body)}.Do(ctx, s.transport)
	return decode(answer, err, nil)
}

// Refresh implements visibility.Refresher.
func (s *Store) Refresh(ctx context.Context) error {
	answer, err := esapi.IndicesRefreshRequest{Index: []string{s.readAlias()}}.Do(ctx, s.transport)
	if err := decode(answer, err, nil); err != nil {
		return fmt.Errorf("refresh visibility: %w", err)
	}
	return nil
}
