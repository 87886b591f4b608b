// Package outbound makes calls to addresses outside the cluster for many runs,
// so that one slow or dead destination takes nothing from the others: a bounded
// number of calls is under way in all and to each destination, and a destination
// that fails again and again is left alone for a while.
//
// The queue is memory only. Who submits a call keeps it in durable state and
// submits it again after a restart.
package outbound
