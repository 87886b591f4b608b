package frontend

import (
	"context"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/proto"

	"perdure/server/doctorpb"
)

// The routes of diagnosis. A workflow id may have slashes.
const (
	fleetDoctorPath = "/perdure/v1/namespaces/{namespace}/doctor"
	runDoctorPath   = fleetDoctorPath + "/{workflow_id=**}"
)

// withQuery hands a parameter of the query over like one of the path.
func withQuery(name string, next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		params[name] = r.URL.Query().Get(name)
		next(w, r, params)
	}
}

// registerDoctor puts diagnosis under its routes. The run id is in the query, as run_id.
func registerDoctor(mux *runtime.ServeMux, client doctorpb.DoctorServiceClient) error {
	run := handlePath(mux, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
		return client.Diagnose(ctx, &doctorpb.DiagnoseRequest{Namespace: p["namespace"], WorkflowId: p["workflow_id"], RunId: p["run_id"]})
	})
	if err := mux.HandlePath("GET", runDoctorPath, withQuery("run_id", run)); err != nil {
		return err
	}
	fleet := handlePath(mux, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
		return client.DiagnoseFleet(ctx, &doctorpb.DiagnoseFleetRequest{Namespace: p["namespace"]})
	})
	return mux.HandlePath("GET", fleetDoctorPath, fleet) // the later one is tried first, and the other matches no id, too
}
