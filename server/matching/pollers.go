package matching

import (
	"cmp"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
)

// pollerBook remembers who polled a queue.
type pollerBook struct {
	byIdentity map[string]*poller
	open       int       // polls under way, with or without a task
	last       time.Time // the last begin or end of a poll
	normal     string    // queue that this sticky one belongs to, as its worker says
	shutdowns  int       // of the queue's worker: polls from before do not count any more
}

type poller struct {
	identity     string
	open         int
	last         time.Time
	perSecond    float64
	capabilities *commonpb.WorkerVersionCapabilities
	deployment   *deploymentpb.WorkerDeploymentOptions
}

func (b *pollerBook) begin(request *pollRequest, now time.Time, age time.Duration) {
	b.open++
	b.last, b.normal = now, request.normal
	p := b.byIdentity[request.identity]
	if p == nil {
		b.prune(now, age)
		p = &poller{identity: request.identity, perSecond: pollerRatePerSecond}
		if b.byIdentity == nil {
			b.byIdentity = map[string]*poller{}
		}
		b.byIdentity[request.identity] = p
	}
	p.open++
	p.last = now
	p.capabilities, p.deployment = request.capabilities, request.deployment
	if request.perSecond != nil {
		p.perSecond = *request.perSecond
	}
}

// end takes a poll out that began after a number of shutdowns.
func (b *pollerBook) end(request *pollRequest, shutdowns int, now time.Time) {
	if shutdowns != b.shutdowns {
		return
	}
	b.open--
	b.last = now
	if p := b.byIdentity[request.identity]; p != nil {
		p.open--
		p.last = now
	}
}

// shutDown makes the queue one that nobody polls.
func (b *pollerBook) shutDown() {
	b.shutdowns++
	b.open, b.last = 0, time.Time{}
	for _, p := range b.byIdentity {
		p.open = 0
	}
}

func (b *pollerBook) prune(now time.Time, age time.Duration) {
	for identity, p := range b.byIdentity {
		if p.open == 0 && now.Sub(p.last) >= age {
			delete(b.byIdentity, identity)
		}
	}
}

// list tells who polled within age, in order of identity. Who polls now has now
// as its last access.
func (b *pollerBook) list(now time.Time, age time.Duration) []*taskqueuepb.PollerInfo {
	b.prune(now, age)
	var infos []*taskqueuepb.PollerInfo
	for _, p := range b.byIdentity {
		infos = append(infos, p.info(now))
	}
	sortPollers(infos)
	return infos
}

func sortPollers(infos []*taskqueuepb.PollerInfo) {
	slices.SortFunc(infos, func(a, b *taskqueuepb.PollerInfo) int { return cmp.Compare(a.Identity, b.Identity) })
}

func (p *poller) info(now time.Time) *taskqueuepb.PollerInfo {
	last := p.last
	if p.open > 0 {
		last = now
	}
	return &taskqueuepb.PollerInfo{
		LastAccessTime:            timestamppb.New(last),
		Identity:                  p.identity,
		RatePerSecond:             p.perSecond,
		WorkerVersionCapabilities: p.capabilities,
		DeploymentOptions:         p.deployment,
	}
}

// RecentPollers tells who polled the queue in the last five minutes; who polls
// now has the present time as its last access.
func (e *Engine) RecentPollers(queue cluster.TaskQueue) []*taskqueuepb.PollerInfo {
	var infos []*taskqueuepb.PollerInfo
	for _, q := range e.family(queue) {
		infos = append(infos, q.recentPollers()...)
	}
	sortPollers(infos)
	return infos
}

func (q *queue) recentPollers() []*taskqueuepb.PollerInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pollers.list(time.Now(), q.engine.limits.PollerAge)
}
