package activity

import (
	"unicode/utf8"

	failurepb "go.temporal.io/api/failure/v1"
)

// What a text, an application failure's information and a cause take from the
// budget of a shortened failure beside their own length: a bound of their tags.
const (
	textOverheadBytes  = 4
	infoOverheadBytes  = 8
	causeOverheadBytes = 4
)

// ShortenFailure is a copy of f that is small enough to keep: texts cut, payloads
// left out, causes as far as there is room. budget is in bytes.
func ShortenFailure(f *failurepb.Failure, budget int) *failurepb.Failure {
	short, _ := shorten(f, budget)
	return short
}

// shorten returns the copy and what is left of the budget.
func shorten(f *failurepb.Failure, budget int) (*failurepb.Failure, int) {
	short := &failurepb.Failure{}
	short.Source, budget = cutText(f.GetSource(), budget)
	budget = keepInfo(short, f, budget)
	short.Message, budget = cutText(f.GetMessage(), budget)
	short.StackTrace, budget = cutText(f.GetStackTrace(), budget)
	if f.GetCause() != nil && budget > causeOverheadBytes {
		short.Cause, budget = shorten(f.GetCause(), budget-causeOverheadBytes)
	}
	return short, budget
}

// cutText cuts at a character and returns what is left of the budget.
func cutText(text string, budget int) (string, int) {
	if text == "" || budget <= 0 {
		return "", budget
	}
	if len(text) > budget {
		end := budget
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return text, budget - len(text) - textOverheadBytes
}

// keepInfo keeps what kind of failure it is, and returns what is left of the budget.
func keepInfo(short, f *failurepb.Failure, budget int) int {
	switch info := f.GetFailureInfo().(type) {
	case *failurepb.Failure_ApplicationFailureInfo:
		kept := &failurepb.ApplicationFailureInfo{NonRetryable: info.ApplicationFailureInfo.GetNonRetryable()}
		kept.Type, budget = cutText(info.ApplicationFailureInfo.GetType(), budget)
		short.FailureInfo = &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: kept}
	case *failurepb.Failure_TimeoutFailureInfo:
		kept := &failurepb.TimeoutFailureInfo{TimeoutType: info.TimeoutFailureInfo.GetTimeoutType()}
		short.FailureInfo = &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: kept}
	case *failurepb.Failure_CanceledFailureInfo:
		short.FailureInfo = &failurepb.Failure_CanceledFailureInfo{CanceledFailureInfo: &failurepb.CanceledFailureInfo{}}
	case nil:
		return budget
	default: // the others are small
		short.FailureInfo = info
	}
	return budget - infoOverheadBytes
}
