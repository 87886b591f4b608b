package frontend

import (
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// newHealth says SERVING for the server and for each public service.
func newHealth() *health.Server {
	h := health.NewServer()
	for _, name := range []string{"", workflowservice.WorkflowService_ServiceDesc.ServiceName, operatorservice.OperatorService_ServiceDesc.ServiceName} {
		h.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	return h
}

func registerHealth(server *grpc.Server, h *health.Server) {
	healthpb.RegisterHealthServer(server, h)
}
