package frontend

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// version is a semantic version; what follows a + says nothing about order.
type version struct {
	numbers    [3]uint64
	prerelease bool
}

func parseVersion(text string) (version, error) {
	core, _, _ := strings.Cut(text, "+")
	core, prerelease, hasPrerelease := strings.Cut(core, "-")
	if hasPrerelease && prerelease == "" {
		return version{}, errors.New("Prerelease is empty")
	}
	v := version{prerelease: hasPrerelease}
	parts := strings.Split(core, ".")
	if len(parts) != len(v.numbers) {
		return version{}, errors.New("No Major.Minor.Patch elements found")
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return version{}, fmt.Errorf("Invalid character(s) found in version number %q", part)
		}
		v.numbers[i] = n
	}
	return v, nil
}

// compare is negative when v comes before w. A prerelease comes before its release.
func (v version) compare(w version) int {
	for i := range v.numbers {
		if c := cmp.Compare(v.numbers[i], w.numbers[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.prerelease && !w.prerelease:
		return -1
	case !v.prerelease && w.prerelease:
		return 1
	}
	return 0
}

// parseVersionRange reads conditions such as ">=1.0.0 <2.0.0 || =3.1.0".
func parseVersionRange(text string) (func(version) bool, error) {
	var alternatives []func(version) bool
	for _, part := range strings.Split(text, "||") {
		all, err := parseConditions(strings.Fields(part))
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, all)
	}
	return func(v version) bool {
		for _, allowed := range alternatives {
			if allowed(v) {
				return true
			}
		}
		return false
	}, nil
}

func parseConditions(texts []string) (func(version) bool, error) {
	if len(texts) == 0 {
		return nil, errors.New("empty range")
	}
	var conditions []func(version) bool
	for _, text := range texts {
		condition, err := parseCondition(text)
		if err != nil {
			return nil, err
		}
		conditions = append(conditions, condition)
	}
	return func(v version) bool {
		for _, holds := range conditions {
			if !holds(v) {
				return false
			}
		}
		return true
	}, nil
}

func parseCondition(text string) (func(version) bool, error) {
	number := strings.TrimLeft(text, "<>=!")
	operator := text[:len(text)-len(number)]
	bound, err := parseVersion(number)
	if err != nil {
		return nil, fmt.Errorf("Could not get version from string: %q", text)
	}
	switch operator {
	case "<":
		return func(v version) bool { return v.compare(bound) < 0 }, nil
	case "<=":
		return func(v version) bool { return v.compare(bound) <= 0 }, nil
	case ">":
		return func(v version) bool { return v.compare(bound) > 0 }, nil
	case ">=":
		return func(v version) bool { return v.compare(bound) >= 0 }, nil
	case "", "=", "==":
		return func(v version) bool { return v.compare(bound) == 0 }, nil
	case "!", "!=":
		return func(v version) bool { return v.compare(bound) != 0 }, nil
	}
	return nil, fmt.Errorf("Could not parse Range %q", text)
}
