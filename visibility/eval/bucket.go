package eval

import (
	"slices"
	"time"

	"perdure/visibility/query"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// mondaySeconds is the first Monday after the beginning of 1970.
	mondaySeconds = int64(4 * day / time.Second)
)

// BucketStart returns when the bucket of a key begins that has the time in it.
func BucketStart(key query.Key, t time.Time) time.Time {
	if key.Location != nil {
		t = t.In(key.Location)
	}
	return StartOf(key, floorSeconds(key, wallSeconds(t)))
}

// firstYear is the first time that can be written down.
var firstYear = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)

// StartOf returns the instant at which a bucket begins, from the seconds since
// 1970 that the clock of its zone shows then. A bucket that begins before the year
// 0 counts as beginning with it.
func StartOf(key query.Key, wall int64) time.Time {
	start := time.Unix(wall, 0).UTC()
	if key.Location != nil {
		year, month, date := start.Date()
		start = query.Midnight(year, month, date, key.Location).UTC()
	}
	if start.Before(firstYear) {
		return firstYear
	}
	return start
}

// wallSeconds returns what the clock shows, as if it were UTC.
func wallSeconds(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// floorSeconds returns the last multiple of the width of the buckets.
func floorSeconds(key query.Key, seconds int64) int64 {
	origin := int64(0)
	if key.Bucket%week == 0 {
		origin = mondaySeconds
	}
	width := int64(key.Bucket / time.Second)
	rest := (seconds - origin) % width
	if rest < 0 {
		rest += width
	}
	return seconds - rest
}

// nextBucket returns the beginning of the bucket behind the one that begins at start.
func nextBucket(key query.Key, start time.Time) time.Time {
	if key.Location != nil {
		// Noon of the first day is on that day, whatever the clock does.
		start = start.Add(day / 2).In(key.Location)
	}
	return StartOf(key, floorSeconds(key, wallSeconds(start))+int64(key.Bucket/time.Second))
}

// bounds returns between which times the filter keeps values of the key's
// attribute, both included; false where it does not bound both sides.
func bounds(key query.Key, where query.Expr) (low, high time.Time, bounded bool) {
	var lows, highs []time.Time
	for _, x := range query.Conjuncts(where) {
		switch x := x.(type) {
		case *query.Compare:
			if x.Field.Name == key.Field.Name {
				lows, highs = appendBounds(x, lows, highs)
			}
		case *query.Between:
			if x.Field.Name == key.Field.Name && !x.Negated {
				lows, highs = append(lows, x.Low.Time), append(highs, x.High.Time)
			}
		}
	}
	if len(lows) == 0 || len(highs) == 0 {
		return low, high, false
	}
	return slices.MaxFunc(lows, time.Time.Compare), slices.MinFunc(highs, time.Time.Compare), true
}

func appendBounds(x *query.Compare, lows, highs []time.Time) ([]time.Time, []time.Time) {
	t := x.Value.Time
	switch x.Op {
	case query.Equal:
		return append(lows, t), append(highs, t)
	case query.Greater:
		return append(lows, t.Add(1)), highs
	case query.GreaterOrEqual:
		return append(lows, t), highs
	case query.Less:
		return lows, append(highs, t.Add(-1))
	case query.LessOrEqual:
		return lows, append(highs, t)
	default:
		return lows, highs
	}
}
