package deployment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"

	"perdure/server/match"
)

// Decision is what is to become of a deployment.
type Decision struct {
	State   *State // afterwards; nil: there is none
	Changed bool   // State differs from the one before
	Reply   any    // its type goes with the command
}

// Decide says what is to become of a deployment when a command meets it; s is
// nil when there is none. It does not change s. The error is a serviceerror for
// a caller's mistake; then nothing is to be done.
func Decide(s *State, c Command, env Env) (Decision, error) {
	t := &transition{env: env}
	if s != nil {
		t.s = s.fork()
	}
	if err := t.decide(c); err != nil {
		return Decision{}, err
	}
	return Decision{State: t.s, Changed: t.changed, Reply: t.reply}, nil
}

// transition is a decision in the making.
type transition struct {
	s       *State
	env     Env
	changed bool
	reply   any
}

func (t *transition) decide(c Command) error {
	switch c := c.(type) {
	case Register:
		return t.register(c)
	case Create:
		return t.create(c)
	case CreateVersion:
		return t.createVersion(c)
	case SetCurrent:
		return t.setCurrent(c)
	case SetRamping:
		return t.setRamping(c)
	case SetManager:
		return t.setManager(c)
	case UpdateMetadata:
		return t.updateMetadata(c)
	case DeleteVersion:
		return t.deleteVersion(c)
	case Delete:
		return t.delete()
	case NoteLook:
		return t.noteLook(c)
	case NotePinned:
		return t.notePinned(c)
	}
	return fmt.Errorf("deployment: unknown command %T", c)
}

// The errors that clients know.

func (t *transition) errNoDeployment() error {
	return serviceerror.NewNotFoundf("no Worker Deployment found with name '%s'; does your Worker Deployment have pollers?", t.env.Name)
}

func (t *transition) errNoVersion(build string) error {
	return serviceerror.NewNotFoundf("build ID '%s' not found in Worker Deployment '%s'", build, t.env.Name)
}

func errLimit(format string, args ...any) error {
	return &serviceerror.ResourceExhausted{
		Cause: enumspb.RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS, Scope: enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
		Message: fmt.Sprintf(format, args...),
	}
}

// open makes the deployment unless it is there.
func (t *transition) open() {
	if t.s == nil {
		t.s = &State{Name: t.env.Name, CreateTime: t.env.Now}
		t.changed = true
	}
}

func (t *transition) create(c Create) error {
	if t.s != nil {
		if c.RequestID != "" && c.RequestID == t.s.RequestID {
			return nil
		}
		return serviceerror.NewAlreadyExistsf("Worker Deployment with name %q already exists", t.env.Name)
	}
	t.open()
	t.s.RequestID, t.s.LastModifier = c.RequestID, c.Identity
	return nil
}

func (t *transition) createVersion(c CreateVersion) error {
	if t.s == nil {
		return t.errNoDeployment()
	}
	if v := t.s.version(c.BuildID); v != nil {
		if c.RequestID != "" && c.RequestID == v.RequestID {
			return nil
		}
		return serviceerror.NewAlreadyExistsf("Worker Deployment Version %q already exists", t.s.Named(c.BuildID).Dotted())
	}
	v, err := t.addVersion(c.BuildID)
	if err != nil {
		return err
	}
	v.Awaited, v.RequestID, v.LastModifier = true, c.RequestID, c.Identity
	return nil
}

func (t *transition) register(c Register) error {
	t.open()
	v := t.s.version(c.BuildID)
	if v == nil {
		var err error
		if v, err = t.addVersion(c.BuildID); err != nil {
			return err
		}
	}
	if v.Has(c.Queue) {
		return nil
	}
	if len(v.Queues) >= t.env.Limits.QueuesPerVersion {
		return errLimit("task queue '%s' cannot be added to version '%s': it has the maximum of %d task queues",
			c.Queue.Name, t.s.Named(c.BuildID), t.env.Limits.QueuesPerVersion)
	}
	v.Queues = append(v.Queues, c.Queue)
	v.Awaited, t.changed = false, true
	return nil
}

// idle tells whether the version has no work, as far as is known.
func (s *State) idle(v *Version) bool {
	return !s.active(v) && v.Drainage != enumspb.VERSION_DRAINAGE_STATUS_DRAINING
}

// addVersion makes a version; the oldest without work and pollers gives way when there are too many.
func (t *transition) addVersion(build string) (*Version, error) {
	if len(t.s.Versions) >= t.env.Limits.Versions && !t.evict() {
		return nil, errLimit("version '%s' cannot be added: its deployment has the maximum of %d versions, all in use",
			t.s.Named(build), t.env.Limits.Versions)
	}
	v := &Version{BuildID: build, CreateTime: t.env.Now}
	t.s.Versions = append(t.s.Versions, v)
	t.changed = true
	return v, nil
}

func (t *transition) evict() bool {
	for _, v := range t.s.Versions {
		if t.s.idle(v) && !t.env.Facts.Polled[v.BuildID] {
			t.remove(v)
			return true
		}
	}
	return false
}

func (t *transition) remove(v *Version) {
	kept := make([]*Version, 0, len(t.s.Versions))
	for _, other := range t.s.Versions {
		if other != v {
			kept = append(kept, other)
		}
	}
	t.s.Versions, t.changed = kept, true
}

// mayChange checks what guards the routing and the manager.
func (t *transition) checkManager(identity string) error {
	if t.s == nil || t.s.Manager == "" || t.s.Manager == identity {
		return nil
	}
	return serviceerror.NewFailedPreconditionf("ManagerIdentity '%s' is set and does not match user identity '%s'; to proceed, set your own identity "+
		"as the ManagerIdentity, remove the ManagerIdentity, or wait for the other client to do so", t.s.Manager, identity)
}

func (t *transition) checkToken(token []byte) error {
	if token == nil || t.s != nil && bytes.Equal(token, t.s.ConflictToken()) {
		return nil
	}
	return serviceerror.NewFailedPrecondition("conflict token mismatch")
}

// ConflictToken changes when routing or manager do.
func (s *State) ConflictToken() []byte {
	token := binary.BigEndian.AppendUint64(nil, uint64(s.CreateTime.UnixNano()))
	return binary.BigEndian.AppendUint64(token, uint64(s.Changes))
}

// changedBy notes a change that conflict tokens guard.
func (t *transition) changedBy(identity string) {
	t.s.LastModifier = identity
	t.s.Changes++
	t.changed = true
}

func (t *transition) setManager(c SetManager) error {
	if t.s == nil {
		return t.errNoDeployment()
	}
	t.reply = t.s.Manager
	if c.Manager == t.s.Manager {
		return nil
	}
	if err := t.checkToken(c.Token); err != nil {
		return err
	}
	t.s.Manager = c.Manager
	t.changedBy(c.Identity)
	return nil
}

func (t *transition) updateMetadata(c UpdateMetadata) error {
	if t.s == nil {
		return t.errNoDeployment()
	}
	v := t.s.version(c.BuildID)
	if v == nil {
		return t.errNoVersion(c.BuildID)
	}
	merged := make(map[string]*commonpb.Payload, len(v.Metadata)+len(c.Upsert))
	maps.Copy(merged, v.Metadata)
	maps.Copy(merged, c.Upsert)
	for _, key := range c.Remove {
		delete(merged, key)
	}
	size := 0
	for key, value := range merged {
		size += len(key) + proto.Size(value)
	}
	if size > t.env.Limits.MetadataBytes {
		return serviceerror.NewInvalidArgumentf("the metadata of version '%s' would have %d bytes, more than %d", t.s.Named(c.BuildID), size, t.env.Limits.MetadataBytes)
	}
	v.Metadata, v.LastModifier = merged, c.Identity
	t.reply, t.changed = merged, true
	return nil
}

func (t *transition) deleteVersion(c DeleteVersion) error {
	if t.s == nil {
		return t.errNoDeployment()
	}
	if err := t.checkManager(c.Identity); err != nil {
		return err
	}
	v := t.s.version(c.BuildID)
	if v == nil {
		return nil // as wanted
	}
	reason := ""
	switch {
	case t.s.active(v):
		reason = "it is current or ramping"
	case t.env.Facts.Polled[v.BuildID]:
		reason = "it has active pollers"
	case v.Drainage == enumspb.VERSION_DRAINAGE_STATUS_DRAINING && !c.SkipDrainage:
		reason = "it is draining"
	default:
		t.remove(v)
		return nil
	}
	return serviceerror.NewFailedPreconditionf("version '%s' cannot be deleted since %s", t.s.Named(c.BuildID), reason)
}

func (t *transition) delete() error {
	switch {
	case t.s == nil: // as wanted
	case len(t.s.Versions) > 0:
		return serviceerror.NewFailedPrecondition("deployment has versions, can't be deleted")
	default:
		t.s, t.changed = nil, true
	}
	return nil
}

func (t *transition) noteLook(c NoteLook) error {
	v := t.lookedAt(c.BuildID)
	if v == nil || v.Drainage != enumspb.VERSION_DRAINAGE_STATUS_DRAINING {
		return nil
	}
	v.DrainageChecked, t.changed = t.env.Now, true
	if !c.Open {
		v.Drainage, v.DrainageChanged = enumspb.VERSION_DRAINAGE_STATUS_DRAINED, t.env.Now
	}
	return nil
}

func (t *transition) notePinned(c NotePinned) error {
	if v := t.lookedAt(c.BuildID); v != nil && t.s.idle(v) {
		t.drain(v)
		t.changed = true
	}
	return nil
}

func (t *transition) lookedAt(build string) *Version {
	if t.s == nil {
		return nil
	}
	return t.s.version(build)
}

// drain begins the time in which a version has old work only.
func (t *transition) drain(v *Version) {
	v.Drainage = enumspb.VERSION_DRAINAGE_STATUS_DRAINING
	v.DrainageChanged, v.DrainageChecked = t.env.Now, t.env.Now
}

// activate and deactivate note that a version gets work, or no more new work.
func (t *transition) activate(v *Version) {
	v.RoutingChanged = t.env.Now
	if v.FirstActivation.IsZero() {
		v.FirstActivation = t.env.Now
	}
	v.LastDeactivation = time.Time{}
	v.Drainage, v.DrainageChanged, v.DrainageChecked = 0, time.Time{}, time.Time{}
	v.Awaited = false
}

func (t *transition) deactivate(v *Version) {
	v.RoutingChanged, v.LastDeactivation = t.env.Now, t.env.Now
	t.drain(v)
}

// versionOf makes sure that a version exists that is to get work; nil stands
// for workers without a version.
func (t *transition) versionOf(build string, allowNoPollers bool) (*Version, error) {
	if build == "" {
		return nil, nil
	}
	if v := t.s.version(build); v != nil {
		return v, nil
	}
	if !allowNoPollers {
		return nil, t.errNoVersion(build)
	}
	return t.addVersion(build)
}

// checkMissing refuses a version that lacks active queues of the current one.
func (t *transition) checkMissing(build, role string, ignore bool) error {
	if ignore {
		return nil
	}
	for _, q := range t.s.missing(build) {
		if t.env.Facts.Active[q] {
			return serviceerror.NewFailedPreconditionf("proposed %[1]s version '%[2]s' is missing active task queues from the current version; "+
				"these would become unversioned if it is set as the %[1]s version", role, match.Version{Deployment: t.env.Name, BuildID: build})
		}
	}
	return nil
}
