package nexus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// AddressRule allows calls to addresses whose host and port match the pattern,
// in which * stands for any characters. Without a port in the pattern only
// addresses without one match.
type AddressRule struct {
	Pattern       string
	AllowInsecure bool // http as well as https
}

// AddressRules are the addresses that may be called. Without a rule none may.
type AddressRules []AddressRule

// ParseAddressRules reads rules such as https://*.example.com:8443 or
// http://10.0.0.7:*; a rule of http allows https as well.
func ParseAddressRules(texts []string) (AddressRules, error) {
	var rules AddressRules
	var failed error
	for _, text := range texts {
		scheme, pattern, found := strings.Cut(text, "://")
		if !found || pattern == "" || strings.ContainsAny(pattern, "/@ ") || scheme != "http" && scheme != "https" {
			failed = errors.Join(failed, fmt.Errorf("%q is no rule for addresses; want http:// or https:// with a host and, if the addresses have one, a port; * stands for anything", text))
			continue
		}
		rules = append(rules, AddressRule{Pattern: pattern, AllowInsecure: scheme == "http"})
	}
	return rules, failed
}

// Check says why an address must not be called; empty when it may be.
func (rules AddressRules) Check(address string) string {
	if address == SystemURL {
		return ""
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "invalid callback url: " + err.Error()
	case u.Scheme != "http" && u.Scheme != "https":
		return "invalid url: unknown scheme: " + u.String()
	case u.Host == "":
		return "invalid url: missing host"
	}
	matched := false
	for _, rule := range rules {
		if !matches(strings.ToLower(rule.Pattern), strings.ToLower(u.Host)) {
			continue
		}
		if u.Scheme == "https" || rule.AllowInsecure {
			return ""
		}
		matched = true
	}
	if matched {
		return "invalid url: callback address does not allow insecure connections: " + address
	}
	return "invalid url: url does not match any configured callback address: " + address
}

// matches tells whether the text has the form of the pattern, in which * stands for any characters.
func matches(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, later, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], later
	}
}
