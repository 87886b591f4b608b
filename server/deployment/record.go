package deployment

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"
)

// ErrCorrupt tells that bytes are not a stored deployment.
var ErrCorrupt = errors.New("corrupt worker deployment")

// record is a deployment as it is stored. Queues are named once, since many
// versions have the same; versions point at them.
type record struct {
	CreateTime   time.Time       `json:"createTime"`
	RequestID    string          `json:"requestId,omitempty"`
	Routing      recordRouting   `json:"routing"`
	Queues       []recordQueue   `json:"queues,omitempty"`
	Versions     []recordVersion `json:"versions,omitempty"`
	LastModifier string          `json:"lastModifier,omitempty"`
	Manager      string          `json:"manager,omitempty"`
	Changes      int64           `json:"changes,omitempty"`
}

type recordRouting struct {
	Current           string    `json:"current,omitempty"`
	Ramping           string    `json:"ramping,omitempty"`
	HasRamp           bool      `json:"hasRamp,omitempty"`
	Percentage        float32   `json:"percentage,omitempty"`
	CurrentChanged    time.Time `json:"currentChanged,omitzero"`
	RampingChanged    time.Time `json:"rampingChanged,omitzero"`
	PercentageChanged time.Time `json:"percentageChanged,omitzero"`
	Revision          int64     `json:"revision,omitempty"`
}

type recordQueue struct {
	Name string `json:"name"`
	Type int32  `json:"type"`
}

type recordVersion struct {
	BuildID          string            `json:"buildId"`
	CreateTime       time.Time         `json:"createTime"`
	RequestID        string            `json:"requestId,omitempty"`
	Awaited          bool              `json:"awaited,omitempty"`
	RoutingChanged   time.Time         `json:"routingChanged,omitzero"`
	CurrentSince     time.Time         `json:"currentSince,omitzero"`
	RampingSince     time.Time         `json:"rampingSince,omitzero"`
	FirstActivation  time.Time         `json:"firstActivation,omitzero"`
	LastCurrent      time.Time         `json:"lastCurrent,omitzero"`
	LastDeactivation time.Time         `json:"lastDeactivation,omitzero"`
	Drainage         int32             `json:"drainage,omitempty"`
	DrainageChanged  time.Time         `json:"drainageChanged,omitzero"`
	DrainageChecked  time.Time         `json:"drainageChecked,omitzero"`
	Queues           []int             `json:"queues,omitempty"`
	Metadata         map[string][]byte `json:"metadata,omitempty"`
	LastModifier     string            `json:"lastModifier,omitempty"`
}

// Encode writes the deployment, without its name, as it is stored.
func (s *State) Encode() ([]byte, error) {
	r := record{
		CreateTime: s.CreateTime, RequestID: s.RequestID, Routing: recordRouting(s.Routing),
		LastModifier: s.LastModifier, Manager: s.Manager, Changes: s.Changes,
	}
	places := make(map[Queue]int)
	for _, v := range s.Versions {
		rv, err := v.record()
		if err != nil {
			return nil, err
		}
		for _, q := range v.Queues {
			place, known := places[q]
			if !known {
				place = len(r.Queues)
				places[q] = place
				r.Queues = append(r.Queues, recordQueue{Name: q.Name, Type: int32(q.Type)})
			}
			rv.Queues = append(rv.Queues, place)
		}
		r.Versions = append(r.Versions, rv)
	}
	return json.Marshal(r)
}

func (v *Version) record() (recordVersion, error) {
	r := recordVersion{
		BuildID: v.BuildID, CreateTime: v.CreateTime, RequestID: v.RequestID, Awaited: v.Awaited,
		RoutingChanged: v.RoutingChanged, CurrentSince: v.CurrentSince, RampingSince: v.RampingSince,
		FirstActivation: v.FirstActivation, LastCurrent: v.LastCurrent, LastDeactivation: v.LastDeactivation,
		Drainage: int32(v.Drainage), DrainageChanged: v.DrainageChanged, DrainageChecked: v.DrainageChecked,
		LastModifier: v.LastModifier,
	}
	for key, payload := range v.Metadata {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(payload)
		if err != nil {
			return r, err
		}
		if r.Metadata == nil {
			r.Metadata = make(map[string][]byte, len(v.Metadata))
		}
		r.Metadata[key] = b
	}
	return r, nil
}

// Decode reads a stored deployment. ErrCorrupt when the bytes are none.
func Decode(name string, b []byte) (*State, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrCorrupt, name, err)
	}
	s := &State{
		Name: name, CreateTime: r.CreateTime, RequestID: r.RequestID, Routing: Routing(r.Routing),
		LastModifier: r.LastModifier, Manager: r.Manager, Changes: r.Changes,
	}
	for _, rv := range r.Versions {
		v, err := rv.version(r.Queues)
		if err != nil {
			return nil, fmt.Errorf("%w %q, version %q: %w", ErrCorrupt, name, rv.BuildID, err)
		}
		s.Versions = append(s.Versions, v)
	}
	return s, nil
}

var errNoQueue = errors.New("it points at a queue that is not there")

func (r recordVersion) version(queues []recordQueue) (*Version, error) {
	v := &Version{
		BuildID: r.BuildID, CreateTime: r.CreateTime, RequestID: r.RequestID, Awaited: r.Awaited,
		RoutingChanged: r.RoutingChanged, CurrentSince: r.CurrentSince, RampingSince: r.RampingSince,
		FirstActivation: r.FirstActivation, LastCurrent: r.LastCurrent, LastDeactivation: r.LastDeactivation,
		Drainage:        enumspb.VersionDrainageStatus(r.Drainage),
		DrainageChanged: r.DrainageChanged, DrainageChecked: r.DrainageChecked, LastModifier: r.LastModifier,
	}
	for _, place := range r.Queues {
		if place < 0 || place >= len(queues) {
			return nil, errNoQueue
		}
		v.Queues = append(v.Queues, Queue{Name: queues[place].Name, Type: enumspb.TaskQueueType(queues[place].Type)})
	}
	for key, b := range r.Metadata {
		payload := &commonpb.Payload{}
		if err := proto.Unmarshal(b, payload); err != nil {
			return nil, err
		}
		if v.Metadata == nil {
			v.Metadata = make(map[string]*commonpb.Payload, len(r.Metadata))
		}
		v.Metadata[key] = payload
	}
	return v, nil
}
