package elastic

import (
	"net/http"
	"slices"

	"perdure/visibility"
)

// blockedTypes are failures that no other record would escape.
var blockedTypes = []string{
	"cluster_block_exception", "index_closed_exception", "index_not_found_exception", "security_exception",
	"authorization_exception", "alias_not_found_exception",
}

// verdict is no error when the record, or a newer one of its run, is in the index.
func (item bulkItem) verdict() (visibility.Class, error) {
	if item.Status == http.StatusConflict || item.Status < 300 && item.Error == nil {
		return visibility.Busy, nil
	}
	failure := &answerError{Status: item.Status}
	if item.Error != nil {
		failure.cause = *item.Error
	}
	return classOf(item.Status, failure.cause), failure
}

// classOf reads a status and a cause. A block comes as 403 or, when the disk is full, as 429.
func classOf(status int, c cause) visibility.Class {
	switch {
	case slices.Contains(blockedTypes, c.Type):
		return visibility.Blocked
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound:
		return visibility.Blocked
	case status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge:
		return visibility.Refused
	default:
		return visibility.Busy
	}
}
