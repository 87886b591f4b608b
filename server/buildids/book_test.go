package buildids_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/buildids"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/versioning"
)

var (
	shop  = &cluster.Namespace{ID: "shop-id", Name: "shop"}
	other = &cluster.Namespace{ID: "other-id", Name: "other"}
)

// rig is a store and one book over it.
type rig struct {
	*testing.T
	store *countingStore
	clock *clock.Fake
	book  *buildids.Book
	polls map[string]time.Time // by build id
}

// countingStore counts reads, and fails them when it is told to.
type countingStore struct {
	store.Store
	reads int
	err   error
}

func (s *countingStore) Meta(ctx context.Context, kind, key string) (store.Meta, error) {
	s.reads++
	if s.err != nil {
		return store.Meta{}, s.err
	}
	return s.Store.Meta(ctx, kind, key)
}

func newRig(t *testing.T) *rig {
	opened, err := memory.Open(1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	r := &rig{T: t, store: &countingStore{Store: opened}, clock: clock.NewFake(time.Unix(1e9, 0)), polls: map[string]time.Time{}}
	r.book = r.newBook()
	return r
}

func (r *rig) newBook() *buildids.Book {
	return buildids.New(buildids.Config{Store: r.store, Pollers: r, Clock: r.clock, Limits: versioning.Limits{
		Sets: 3, Builds: 10, Assignments: 5, Redirects: 5, Upstream: 5, BuildIDBytes: 10, Queues: 3,
	}})
}

// RecentPollers tells of versioned workers that poll for activities.
func (r *rig) RecentPollers(queue cluster.TaskQueue) []*taskqueuepb.PollerInfo {
	if queue.Type != enumspb.TASK_QUEUE_TYPE_ACTIVITY || queue.NamespaceID != shop.ID || queue.Name != "q" {
		return nil
	}
	var found []*taskqueuepb.PollerInfo
	for build, at := range r.polls {
		found = append(found, &taskqueuepb.PollerInfo{
			LastAccessTime:            timestamppb.New(at),
			WorkerVersionCapabilities: &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: true},
		})
	}
	return found
}

func (r *rig) addSet(book *buildids.Book, queue, build string) error {
	_, err := book.UpdateWorkerBuildIdCompatibility(r.Context(), shop, &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
		TaskQueue: queue,
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet{AddNewBuildIdInNewDefaultSet: build},
	})
	return err
}

func (r *rig) sets(book *buildids.Book, ns *cluster.Namespace, queue string) []*taskqueuepb.CompatibleVersionSet {
	got, err := book.GetWorkerBuildIdCompatibility(r.Context(), ns, &workflowservice.GetWorkerBuildIdCompatibilityRequest{TaskQueue: queue})
	require.NoError(r, err)
	return got.GetMajorVersionSets()
}

func (r *rig) rules() *workflowservice.GetWorkerVersioningRulesResponse {
	got, err := r.book.GetWorkerVersioningRules(r.Context(), shop, &workflowservice.GetWorkerVersioningRulesRequest{TaskQueue: "q"})
	require.NoError(r, err)
	return got
}

func (r *rig) insert(token []byte, build string) (*workflowservice.UpdateWorkerVersioningRulesResponse, error) {
	return r.book.UpdateWorkerVersioningRules(r.Context(), shop, &workflowservice.UpdateWorkerVersioningRulesRequest{
		TaskQueue: "q", ConflictToken: token,
		Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
			InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{
				Rule: &taskqueuepb.BuildIdAssignmentRule{TargetBuildId: build},
			},
		},
	})
}

func (r *rig) commit(build string) error {
	_, err := r.book.UpdateWorkerVersioningRules(r.Context(), shop, &workflowservice.UpdateWorkerVersioningRulesRequest{
		TaskQueue: "q", ConflictToken: r.rules().GetConflictToken(),
		Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId_{
			CommitBuildId: &workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId{TargetBuildId: build},
		},
	})
	return err
}

func TestSetsAreKept(t *testing.T) {
	r := newRig(t)
	require.Empty(t, r.sets(r.book, shop, "q"))
	require.NoError(t, r.addSet(r.book, "q", "1.0"))
	require.NoError(t, r.addSet(r.book, "q", "2.0"))
	want := []*taskqueuepb.CompatibleVersionSet{{BuildIds: []string{"1.0"}}, {BuildIds: []string{"2.0"}}}
	for name, book := range map[string]*buildids.Book{"at once": r.book, "on another node": r.newBook()} {
		got := r.sets(book, shop, "q")
		require.Len(t, got, 2, name)
		for i := range want {
			require.True(t, proto.Equal(want[i], got[i]), name)
		}
	}
	require.Empty(t, r.sets(r.book, shop, "q2"), "another queue")
	require.Empty(t, r.sets(r.book, other, "q"), "another namespace")
	require.IsType(t, &serviceerror.InvalidArgument{}, r.addSet(r.book, "q", "longer than 10"))
	require.NoError(t, r.addSet(r.book, "q", "3.0"))
	require.IsType(t, &serviceerror.FailedPrecondition{}, r.addSet(r.book, "q", "4.0"))
}

func TestRulesChangeByTheirToken(t *testing.T) {
	r := newRig(t)
	first := r.rules()
	require.NotEmpty(t, first.GetConflictToken())
	second, err := r.insert(first.GetConflictToken(), "1.0")
	require.NoError(t, err)
	require.NotEqual(t, first.GetConflictToken(), second.GetConflictToken())
	require.Equal(t, r.clock.Now().UTC(), second.GetAssignmentRules()[0].GetCreateTime().AsTime())
	for name, token := range map[string][]byte{"an old one": first.GetConflictToken(), "none": nil, "any": {1}} {
		_, err = r.insert(token, "2.0")
		require.IsType(t, &serviceerror.FailedPrecondition{}, err, name)
	}
	third, err := r.insert(second.GetConflictToken(), "2.0")
	require.NoError(t, err)
	require.Len(t, third.GetAssignmentRules(), 2)
	now := r.rules()
	require.Equal(t, third.GetConflictToken(), now.GetConflictToken())
	require.Len(t, now.GetAssignmentRules(), 2)
}

func TestCommitNeedsAPoller(t *testing.T) {
	r := newRig(t)
	require.IsType(t, &serviceerror.FailedPrecondition{}, r.commit("1.0"))
	r.polls["2.0"] = r.clock.Now()
	require.IsType(t, &serviceerror.FailedPrecondition{}, r.commit("1.0"), "of another build")
	r.polls["1.0"] = r.clock.Now()
	r.clock.Advance(70 * time.Second)
	require.IsType(t, &serviceerror.FailedPrecondition{}, r.commit("1.0"), "too long ago")
	r.polls["1.0"] = r.clock.Now().Add(-70*time.Second + 1)
	require.NoError(t, r.commit("1.0"))
	require.Equal(t, "1.0", r.rules().GetAssignmentRules()[0].GetRule().GetTargetBuildId())
}

// TestEverybodyIsHeard lets several nodes change a queue at the same time.
func TestEverybodyIsHeard(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.addSet(r.book, "q", "0"))
	var all sync.WaitGroup
	for i := range 4 {
		book := buildids.New(buildids.Config{Store: r.store.Store, Pollers: r, Clock: r.clock, Limits: versioning.Limits{Sets: 1, Builds: 10, BuildIDBytes: 10, Queues: 3}})
		all.Go(func() {
			_, err := book.UpdateWorkerBuildIdCompatibility(t.Context(), shop, &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
				TaskQueue: "q",
				Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId{
					AddNewCompatibleBuildId: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion{
						NewBuildId: fmt.Sprint("n", i), ExistingCompatibleBuildId: "0",
					},
				},
			})
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Len(t, r.sets(r.book, shop, "q")[0].GetBuildIds(), 5)
}

// of is what a book knows of the queue q.
func (r *rig) of(book *buildids.Book) *versioning.Data { return book.Of(shop.ID, "q") }

func TestReadsCostNothing(t *testing.T) {
	r := newRig(t)
	require.Empty(t, r.of(r.book).Sets)
	require.NoError(t, r.addSet(r.book, "q", "1.0"))
	before := r.store.reads
	require.Len(t, r.of(r.book).Sets, 1)
	require.Same(t, r.of(r.book), r.of(r.book))
	require.Equal(t, before, r.store.reads)
	r.store.err = errors.New("the store is away")
	require.Len(t, r.of(r.book).Sets, 1)
	require.IsType(t, &serviceerror.Unavailable{}, r.addSet(r.book, "q", "2.0"))
}

// TestOtherNodesFollow: who listens hears of what another node changed, once.
func TestOtherNodesFollow(t *testing.T) {
	r := newRig(t)
	heard := make(chan deployment.Builds, 10)
	elsewhere := buildids.New(buildids.Config{
		Store: r.store.Store, Pollers: r, Clock: r.clock, RefreshAfter: 2 * time.Second,
		Changed: func(namespaceID string, builds deployment.Builds) {
			require.Equal(t, shop.ID, namespaceID)
			heard <- builds
		},
	})
	require.NoError(t, r.addSet(r.book, "q", "1.0"))
	require.NoError(t, r.addSet(r.book, "other", "1.0"))
	require.NoError(t, elsewhere.Load(t.Context()))
	require.Len(t, <-heard, 2)
	elsewhere.Start()
	defer elsewhere.Stop()
	require.NoError(t, r.addSet(r.book, "q", "2.0"))
	first := r.of(elsewhere)
	var builds deployment.Builds
	require.Eventually(t, func() bool {
		r.clock.Advance(2 * time.Second)
		select {
		case builds = <-heard:
			return true
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond)
	require.Len(t, builds["q"].Sets, 2)
	require.Same(t, builds["q"], r.of(elsewhere))
	require.Len(t, first.Sets, 1, "what was given out does not change")
	require.NoError(t, elsewhere.Load(t.Context()))
	require.Empty(t, heard, "nothing is new")
}

func TestDeletedNamespace(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.addSet(r.book, "q", "1.0"))
	require.NoError(t, r.book.DropBuildIDs(t.Context(), other.ID))
	require.Len(t, r.of(r.book).Sets, 1)
	require.NoError(t, r.book.DropBuildIDs(t.Context(), shop.ID))
	require.Empty(t, r.of(r.book).Sets)
	again := r.newBook()
	require.NoError(t, again.Load(t.Context()))
	require.Empty(t, r.of(again).Sets)
}

func TestQueuesOfABuild(t *testing.T) {
	r := newRig(t)
	for _, queue := range []string{"b", "a", "c"} {
		require.NoError(t, r.addSet(r.book, queue, "1.0"))
	}
	require.NoError(t, r.addSet(r.book, "d", "2.0"))
	require.IsType(t, &serviceerror.FailedPrecondition{}, r.addSet(r.book, "d", "1.0"), "one queue too many")
	require.NoError(t, r.addSet(r.book, "c", "1.0"), "it is there already")
	names, err := r.book.QueuesOf(t.Context(), shop.ID, "1.0")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, names)
	names, err = r.book.QueuesOf(t.Context(), other.ID, "1.0")
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestDamagedRecord(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.addSet(r.book, "good", "1.0"))
	require.NoError(t, r.store.PutMeta(t.Context(), store.Meta{Kind: "build-ids", Key: "shop-id/q", Version: 1, Data: []byte("{")}))
	again := r.newBook()
	require.NoError(t, again.Load(t.Context()))
	require.Empty(t, r.of(again).Sets)
	require.Len(t, again.Of(shop.ID, "good").Sets, 1)
	require.ErrorIs(t, r.addSet(again, "q", "1.0"), store.ErrDamaged)
}
