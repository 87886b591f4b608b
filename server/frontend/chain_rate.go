package frontend

import (
	"context"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"perdure/server/config"
)

// visibilityMethods read lists; they have a limit of their own, since each can
// cost the search store much.
var visibilityMethods = map[string]bool{
	"ListWorkflowExecutions": true, "ScanWorkflowExecutions": true, "CountWorkflowExecutions": true,
	"ListOpenWorkflowExecutions": true, "ListClosedWorkflowExecutions": true, "ListArchivedWorkflowExecutions": true,
	"ListWorkers": true, "CountWorkers": true, "ListViews": true, "ExplainQuery": true, "DiagnoseFleet": true,
}

// deploymentReads each read whole deployments from the store.
var deploymentReads = map[string]bool{
	"DescribeWorkerDeployment": true, "DescribeWorkerDeploymentVersion": true, "ListWorkerDeployments": true,
}

// unlimitedMethods must work whenever the server does: clients need them to connect.
var unlimitedMethods = map[string]bool{"GetSystemInfo": true, "GetClusterInfo": true}

func (f *Frontend) limitRate(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method, namespace := methodName(info), ""
	if c := callOf(ctx); c != nil {
		namespace = c.namespace
	}
	if err := f.rates.allow(method, namespace); err != nil {
		return nil, err
	}
	if !isLongPoll(method, req) {
		return next(ctx, req)
	}
	leave, err := f.polls.enter(method, namespace)
	if err != nil {
		return nil, err
	}
	defer leave()
	return next(ctx, req)
}

// rates bounds calls a second, of the host and of each namespace.
type rates struct {
	limits config.Limits
	host   *rate.Limiter

	mu         sync.Mutex
	namespaces map[string]*namespaceRates
}

type namespaceRates struct{ all, visibility, deployments *rate.Limiter }

func newRates(l config.Limits) *rates {
	return &rates{limits: l, host: limiter(l.RequestsPerSecond, 2), namespaces: map[string]*namespaceRates{}}
}

// limiter allows perSecond calls with bursts of burstFactor times that; 0 allows all.
func limiter(perSecond, burstFactor int) *rate.Limiter {
	if perSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), perSecond*burstFactor)
}

func (r *rates) allow(method, namespace string) error {
	if unlimitedMethods[method] {
		return nil
	}
	if !r.host.Allow() {
		return rateExceeded(scopeSystem, "service rate limit exceeded")
	}
	if namespace == "" {
		return nil
	}
	n := r.of(namespace)
	if !n.all.Allow() || (visibilityMethods[method] && !n.visibility.Allow()) || (deploymentReads[method] && !n.deployments.Allow()) {
		return rateExceeded(scopeNamespace, "namespace rate limit exceeded")
	}
	return nil
}

// charge takes from a namespace's rate of searches what one costs beyond the
// unit that it paid to be let in. What is not there is owed: the next ones wait for it.
func (r *rates) charge(namespace string, units int) {
	limiter := r.of(namespace).visibility
	limiter.ReserveN(time.Now(), min(units-1, limiter.Burst()))
}

// of returns the limiters of a namespace. Only existing namespaces get here, so
// the map stays small.
func (r *rates) of(namespace string) *namespaceRates {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.namespaces[namespace]
	if n == nil {
		n = &namespaceRates{
			all: limiter(r.limits.NamespacePerSecond, 2), visibility: limiter(r.limits.VisibilityPerSec, 1),
			deployments: limiter(r.limits.DeploymentReadsPerSec, 10),
		}
		r.namespaces[namespace] = n
	}
	return n
}

func rateExceeded(scope enumspb.ResourceExhaustedScope, message string) error {
	return exhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, scope, message)
}

func exhausted(cause enumspb.ResourceExhaustedCause, scope enumspb.ResourceExhaustedScope, message string) error {
	return &serviceerror.ResourceExhausted{Cause: cause, Scope: scope, Message: message}
}

// pollGate bounds the calls under way that wait.
type pollGate struct {
	max int // 0: no bound

	mu    sync.Mutex
	under map[pollGroup]int
}

type pollGroup struct{ method, namespace string }

func newPollGate(max int) *pollGate { return &pollGate{max: max, under: map[pollGroup]int{}} }

// enter counts a call in; leave must be called at its end.
func (g *pollGate) enter(method, namespace string) (leave func(), err error) {
	group := pollGroup{method, namespace}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.max > 0 && g.under[group] >= g.max {
		return nil, exhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, scopeNamespace, "namespace concurrent poller limit exceeded")
	}
	g.under[group]++
	return func() { g.leave(group) }, nil
}

func (g *pollGate) leave(group pollGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under[group]--
	if g.under[group] == 0 {
		delete(g.under, group)
	}
}
