package query

import (
	"cmp"
	"math"
)

// CompareNumbers compares two numbers exactly, Int or Double each.
func CompareNumbers(a, b Value) int {
	switch {
	case a.Kind == Int && b.Kind == Int:
		return cmp.Compare(a.Int, b.Int)
	case a.Kind == Int:
		return compareIntDouble(a.Int, b.Double)
	case b.Kind == Int:
		return -compareIntDouble(b.Int, a.Double)
	default:
		return cmp.Compare(a.Double, b.Double)
	}
}

func compareIntDouble(i int64, f float64) int {
	switch {
	case f >= -math.MinInt64:
		return -1
	case f < math.MinInt64:
		return 1
	}
	whole := math.Floor(f)
	if order := cmp.Compare(i, int64(whole)); order != 0 {
		return order
	}
	return cmp.Compare(whole, f)
}
