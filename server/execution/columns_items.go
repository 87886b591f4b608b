package execution

import (
	"cmp"
	"iter"
	"slices"

	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// itemFailureBytesMax is how much of its last failure's message an item has.
const itemFailureBytesMax = 512

// itemColumns adds what an open run waits for, item by item: of activities
// those with the most attempts first, since not all may find room.
func (s *State) itemColumns(c columns, look *inside.Look) {
	activities := s.Activities.values()
	slices.SortStableFunc(activities, func(a, b *Activity) int { return cmp.Compare(b.Attempt, a.Attempt) })
	c.items(attr.PendingActivity, items(activities, func(a *Activity) item { return a.item(look) }))
	c.items(attr.PendingChild, items(s.Children.values(), func(child *Child) item {
		return item{}.
			text("WorkflowId", look.Hide(child.WorkflowID)).text("RunId", child.RunID).
			text("Type", look.Hide(child.WorkflowType)).text("ParentClosePolicy", child.ClosePolicy.String())
	}))
	c.items(attr.PendingTimer, items(s.Timers.values(), func(timer *Timer) item {
		return item{"FireTime": timer.FireTime.UTC()}.text("Id", look.Hide(timer.TimerID))
	}))
}

// items are made one by one, as long as there is room for them.
func items[T any](list []T, make func(T) item) iter.Seq[map[string]any] {
	return func(yield func(map[string]any) bool) {
		for _, one := range list {
			if !yield(make(one)) {
				return
			}
		}
	}
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

func (c columns) items(kind string, items iter.Seq[map[string]any]) {
	if p := attr.EncodeItems(items, inside.BytesMax); p != nil {
		c[attr.ItemsKey(kind)] = p
	}
}
