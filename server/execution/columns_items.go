package execution

import (
	"cmp"
	"slices"

	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// itemFailureBytesMax is how much of its last failure's message an item has.
const itemFailureBytesMax = 512

// itemColumns adds what an open run waits for, item by item: of activities
// those with the most attempts first, since not all may find room.
func (s *State) itemColumns(c columns, look *inside.Look) {
	var activities, children, timers []map[string]any
	for _, a := range s.Activities.values() {
		activities = append(activities, a.item(look))
	}
	slices.SortStableFunc(activities, func(a, b map[string]any) int {
		return cmp.Compare(b["Attempt"].(int64), a["Attempt"].(int64))
	})
	for _, child := range s.Children.values() {
		children = append(children, item{}.
			text("WorkflowId", look.Hide(child.WorkflowID)).text("RunId", child.RunID).
			text("Type", look.Hide(child.WorkflowType)).text("ParentClosePolicy", child.ClosePolicy.String()))
	}
	for _, timer := range s.Timers.values() {
		timers = append(timers, item{"FireTime": timer.FireTime.UTC()}.text("Id", look.Hide(timer.TimerID)))
	}
	c.items(attr.PendingActivity, activities)
	c.items(attr.PendingChild, children)
	c.items(attr.PendingTimer, timers)
}

func (a *Activity) item(look *inside.Look) item {
	scheduled := a.attributes()
	i := item{"Attempt": int64(a.Attempt), "ScheduledTime": a.ScheduledTime.UTC()}
	if most := scheduled.GetRetryPolicy().GetMaximumAttempts(); most > 0 {
		i["MaximumAttempts"] = int64(most)
	}
	if !a.StartedTime.IsZero() {
		i["LastStartedTime"] = a.StartedTime.UTC()
	}
	return i.text("Id", look.Hide(a.ActivityID)).text("Type", look.Hide(scheduled.GetActivityType().GetName())).
		text("State", a.pendingState().String()).text("TaskQueue", scheduled.GetTaskQueue().GetName()).
		text("LastFailure", inside.Cut(look.Hide(messagesOf(a.LastFailure)), itemFailureBytesMax)).
		text("LastWorkerIdentity", a.Identity)
}

// item is something a run waits for, by the names of its attributes.
type item map[string]any

func (i item) text(name, value string) item {
	if value != "" {
		i[name] = value
	}
	return i
}

func (c columns) items(kind string, items []map[string]any) {
	if p := attr.EncodeItems(items, inside.BytesMax); p != nil {
		c[attr.ItemsKey(kind)] = p
	}
}
