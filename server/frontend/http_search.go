package frontend

import (
	"context"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"perdure/server/searchpb"
)

// The routes of the service of searches.
const (
	viewsPath   = "/perdure/v1/namespaces/{namespace}/views"
	viewPath    = viewsPath + "/{name}"
	explainPath = "/perdure/v1/namespaces/{namespace}/explain"
	renamePath  = "/perdure/v1/namespaces/{namespace}/search-attributes/{name}/rename"
)

// registerSearch puts the service of searches under its routes. A view is the
// whole body of a request that creates or updates it.
func registerSearch(mux *runtime.ServeMux, client searchpb.SearchServiceClient) error {
	routes := []struct {
		method, path string
		call         httpCall
	}{
		{"GET", viewsPath, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
			return client.ListViews(ctx, &searchpb.ListViewsRequest{Namespace: p["namespace"]})
		}},
		{"POST", viewsPath, func(ctx context.Context, p map[string]string, read decoder) (proto.Message, error) {
			v := &searchpb.View{}
			if err := read(v); err != nil {
				return nil, err
			}
			return client.CreateView(ctx, &searchpb.CreateViewRequest{Namespace: p["namespace"], View: v})
		}},
		{"GET", viewPath, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
			return client.GetView(ctx, &searchpb.GetViewRequest{Namespace: p["namespace"], Name: p["name"]})
		}},
		{"PUT", viewPath, func(ctx context.Context, p map[string]string, read decoder) (proto.Message, error) {
			v := &searchpb.View{}
			if err := read(v); err != nil {
				return nil, err
			}
			v.Name = p["name"]
			return client.UpdateView(ctx, &searchpb.UpdateViewRequest{Namespace: p["namespace"], View: v})
		}},
		{"DELETE", viewPath, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
			return client.DeleteView(ctx, &searchpb.DeleteViewRequest{Namespace: p["namespace"], Name: p["name"]})
		}},
		{"POST", explainPath, func(ctx context.Context, p map[string]string, read decoder) (proto.Message, error) {
			req := &searchpb.ExplainQueryRequest{}
			if err := read(req); err != nil {
				return nil, err
			}
			req.Namespace = p["namespace"]
			return client.ExplainQuery(ctx, req)
		}},
		{"POST", renamePath, func(ctx context.Context, p map[string]string, read decoder) (proto.Message, error) {
			req := &searchpb.RenameAttributeRequest{}
			if err := read(req); err != nil {
				return nil, err
			}
			req.Namespace, req.Name = p["namespace"], p["name"]
			return client.RenameAttribute(ctx, req)
		}},
	}
	for _, r := range routes {
		if err := mux.HandlePath(r.method, r.path, handlePath(mux, r.call)); err != nil {
			return err
		}
	}
	return nil
}

// decoder reads the body of a request.
type decoder func(proto.Message) error

// httpCall answers a request; params are the variables of its path.
type httpCall func(ctx context.Context, params map[string]string, read decoder) (proto.Message, error)

func handlePath(mux *runtime.ServeMux, call httpCall) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		in, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, r.URL.Path)
		if err != nil {
			runtime.HTTPError(r.Context(), mux, out, w, r, err)
			return
		}
		resp, err := call(ctx, params, func(m proto.Message) error {
			if err := in.NewDecoder(r.Body).Decode(m); err != nil && err != io.EOF {
				return status.Errorf(codes.InvalidArgument, "%v", err)
			}
			return nil
		})
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, out, w, r, resp)
	}
}
