package workers

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"

	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// ListWorkers finds workers by a filter, in order of instance key. See cluster.Workers.
func (r *Registry) ListWorkers(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ListWorkersRequest) (*workflowservice.ListWorkersResponse, error) {
	s, err := newSearch(req.GetQuery(), req.GetIncludeSystemWorkers())
	if err != nil {
		return nil, err
	}
	hash := hashOf(ns.ID, req)
	if token := req.GetNextPageToken(); len(token) > 0 {
		if s.after, err = readToken(token, hash); err != nil {
			return nil, err
		}
		s.follows = true
	}
	found, err := r.find(ctx, ns.ID, s)
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size <= 0 || size > r.limits.Page {
		size = r.limits.Page
	}
	return pageOf(found, size, hash)
}

// CountWorkers counts the workers that a filter finds. See cluster.Workers.
func (r *Registry) CountWorkers(ctx context.Context, ns *cluster.Namespace, req *workflowservice.CountWorkersRequest) (*workflowservice.CountWorkersResponse, error) {
	s, err := newSearch(req.GetQuery(), req.GetIncludeSystemWorkers())
	if err != nil {
		return nil, err
	}
	found, err := r.find(ctx, ns.ID, s)
	if err != nil {
		return nil, err
	}
	return &workflowservice.CountWorkersResponse{Count: int64(len(found))}, nil
}

// search tells which workers are wanted.
type search struct {
	where   query.Expr // nil: all
	names   []string   // attributes that where looks at
	row     eval.Row   // of the worker that is looked at
	system  bool       // the server's own, too
	follows bool       // a page came before
	after   string     // the last instance key of that page
}

func newSearch(text string, system bool) (search, error) {
	q, err := query.Parse(text)
	if err == nil {
		err = query.CheckRows(q, schema)
	}
	var refused *query.Error
	if errors.As(err, &refused) {
		return search{}, apierr.InvalidArgument("%s", refused.Message)
	}
	if err != nil {
		return search{}, err
	}
	return search{where: q.Where, names: query.Fields(q.Where), row: eval.Row{}, system: system}, nil
}

// find returns the wanted workers of a namespace, in no order.
func (r *Registry) find(ctx context.Context, namespaceID string, s search) ([]*worker, error) {
	since := r.clock.Now().Add(-r.limits.Age)
	var found []*worker
	for _, part := range r.shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, w := range part.all(namespaceID, since) {
			if s.wants(w) {
				found = append(found, w)
			}
		}
	}
	return found, nil
}

func (s search) wants(w *worker) bool {
	if s.follows && w.key.instance <= s.after || w.isSystem() && !s.system {
		return false
	}
	if s.where == nil {
		return true
	}
	w.fill(s.row, s.names)
	return eval.Match(s.where, s.row)
}

// pageOf shows the first workers, and how to go on when there are more.
func pageOf(found []*worker, size int, hash uint64) (*workflowservice.ListWorkersResponse, error) {
	slices.SortFunc(found, func(a, b *worker) int { return cmp.Compare(a.key.instance, b.key.instance) })
	resp := &workflowservice.ListWorkersResponse{}
	if len(found) > size {
		found = found[:size]
		resp.NextPageToken = makeToken(found[size-1].key.instance, hash)
	}
	for _, w := range found {
		beat, err := w.heartbeat()
		if err != nil {
			return nil, err
		}
		resp.Workers = append(resp.Workers, listed(beat))
		//nolint:staticcheck // SDKs and tools still read it
		resp.WorkersInfo = append(resp.WorkersInfo, &workerpb.WorkerInfo{WorkerHeartbeat: beat})
	}
	return resp, nil
}

// A page token consists of a version, a hash of what is asked for, and the
// last instance key of the page.
const (
	tokenVersion   = 1
	tokenHeadBytes = 1 + 8
)

// hashOf tells lists apart whose pages must not be mixed.
func hashOf(namespaceID string, req *workflowservice.ListWorkersRequest) uint64 {
	h := fnv.New64a()
	system := "\x00"
	if req.GetIncludeSystemWorkers() {
		system = "\x01"
	}
	_, _ = h.Write([]byte(namespaceID + system + req.GetQuery()))
	return h.Sum64()
}

func makeToken(last string, hash uint64) []byte {
	token := binary.BigEndian.AppendUint64([]byte{tokenVersion}, hash)
	return append(token, last...)
}

func readToken(token []byte, hash uint64) (last string, err error) {
	if len(token) < tokenHeadBytes || token[0] != tokenVersion || binary.BigEndian.Uint64(token[1:]) != hash {
		return "", apierr.InvalidArgument("invalid next_page_token")
	}
	return string(token[tokenHeadBytes:]), nil
}
