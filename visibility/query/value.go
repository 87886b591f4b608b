package query

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// value turns a literal into the kind of the attribute.
func (r resolved) value(v Value) (Value, error) {
	v, err := r.checker.relative(v)
	if err != nil {
		return v, err
	}
	switch {
	case r.words != nil:
		return r.word(v)
	case isStatus(r.name):
		return r.status(v)
	case isDuration(r.name):
		return r.duration(v)
	}
	switch r.declared {
	case enumspb.INDEXED_VALUE_TYPE_INT:
		return r.integer(v)
	case enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		return r.double(v)
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		return v, r.need(v, v.Kind == Bool)
	case enumspb.INDEXED_VALUE_TYPE_DATETIME:
		return r.datetime(v)
	case enumspb.INDEXED_VALUE_TYPE_TEXT:
		return r.text(v)
	default:
		v.String = r.prefix + v.String
		return v, r.need(v, v.Kind == String)
	}
}

// word reads one of the few values of the attribute.
func (r resolved) word(v Value) (Value, error) {
	if v.Kind != String {
		return v, r.need(v, false)
	}
	word, known := r.words[v.String]
	if !known {
		return v, invalid("invalid %s value '%s'", r.written, v.String)
	}
	return Value{Kind: String, String: word}, nil
}

// need refuses v unless ok.
func (r resolved) need(v Value, ok bool) error {
	if ok {
		return nil
	}
	return invalid("invalid value type for search attribute %s of type %s: %s (type: %s)", r.written, r.declared, showValue(v), kindTexts[v.Kind])
}

func (r resolved) text(v Value) (Value, error) {
	if v.Kind == String && strings.TrimSpace(v.String) == "" {
		return v, invalid("no tokens found filtering on Text type search attribute %s", r.written)
	}
	return v, r.need(v, v.Kind == String)
}

// integer makes whole numbers Int and leaves others Double, to be compared as numbers.
func (r resolved) integer(v Value) (Value, error) {
	if v.Kind == Double && v.Double == math.Trunc(v.Double) && v.Double >= math.MinInt64 && v.Double < -math.MinInt64 {
		return Value{Kind: Int, Int: int64(v.Double)}, nil
	}
	return v, r.need(v, v.Kind == Int || v.Kind == Double)
}

func (r resolved) double(v Value) (Value, error) {
	if v.Kind == Int {
		return Value{Kind: Double, Double: float64(v.Int)}, nil
	}
	return v, r.need(v, v.Kind == Double)
}

// datetime reads RFC 3339 or nanoseconds since 1970.
func (r resolved) datetime(v Value) (Value, error) {
	switch v.Kind {
	case Time:
		return v, nil
	case Int:
		return Value{Kind: Time, Time: time.Unix(0, v.Int).UTC()}, nil
	case String:
		t, err := time.Parse(time.RFC3339Nano, v.String)
		if err != nil {
			return v, invalid("unable to parse datetime '%s'", v.String)
		}
		return Value{Kind: Time, Time: t.UTC()}, nil
	default:
		return v, r.need(v, false)
	}
}

// status reads the name or the number of a status.
func (r resolved) status(v Value) (Value, error) {
	switch v.Kind {
	case Int:
		if _, known := enumspb.WorkflowExecutionStatus_name[int32(v.Int)]; !known || int64(int32(v.Int)) != v.Int {
			return v, invalid("invalid ExecutionStatus value %d", v.Int)
		}
		return v, nil
	case String:
		status, err := enumspb.WorkflowExecutionStatusFromString(v.String)
		if err != nil {
			return v, invalid("invalid ExecutionStatus value '%s'", v.String)
		}
		return Value{Kind: Int, Int: int64(status)}, nil
	default:
		return v, r.refuseKind(v)
	}
}

// duration reads nanoseconds, a number with units up to days, or hours:minutes:seconds.
func (r resolved) duration(v Value) (Value, error) {
	switch v.Kind {
	case Int:
		return v, nil
	case String:
		d, ok := parseDuration(v.String)
		if !ok {
			return v, invalid("invalid duration value for search attribute %s: %s", r.written, v.String)
		}
		return Value{Kind: Int, Int: int64(d)}, nil
	default:
		return v, r.refuseKind(v)
	}
}

// refuseKind words a wrong kind as the attributes with forms of their own do.
func (r resolved) refuseKind(v Value) error {
	if v.Kind == Double {
		return invalid("unexpected value type %s for search attribute %s", kindTexts[v.Kind], r.written)
	}
	return r.need(v, false)
}

var (
	clockForm = regexp.MustCompile(`^(\d{1,6}):([0-5]?\d):([0-5]?\d)(\.\d{1,9})?$`)
	daysForm  = regexp.MustCompile(`^([+-]?)(\d{1,6})d(.*)$`)
)

func parseDuration(text string) (time.Duration, bool) {
	if nanos, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(nanos), true
	}
	if parts := clockForm.FindStringSubmatch(text); parts != nil {
		return joinDuration(parts[1]+"h", parts[2]+"m", parts[3]+parts[4]+"s")
	}
	if parts := daysForm.FindStringSubmatch(text); parts != nil {
		return parseDays(parts[1], parts[2], parts[3])
	}
	return joinDuration(text)
}

// joinDuration reads durations as the standard library writes them and adds them up.
func joinDuration(parts ...string) (time.Duration, bool) {
	total := time.Duration(0)
	for _, part := range parts {
		d, err := time.ParseDuration(part)
		if err != nil || overflows(total, d) {
			return 0, false
		}
		total += d
	}
	return total, true
}

func overflows(a, b time.Duration) bool {
	return a > 0 && b > math.MaxInt64-a || a < 0 && b < math.MinInt64-a
}

// parseDays reads days with a duration behind them; the sign is that of both.
func parseDays(sign, days, rest string) (time.Duration, bool) {
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, false
	}
	count, _ := strconv.ParseInt(days, 10, 64)
	if count > int64(math.MaxInt64/(24*time.Hour)) {
		return 0, false
	}
	parts := []string{sign + strconv.FormatInt(24*count, 10) + "h"}
	if rest != "" {
		parts = append(parts, sign+rest)
	}
	return joinDuration(parts...)
}
