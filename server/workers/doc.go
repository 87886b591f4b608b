// Package workers remembers what worker processes tell of themselves: the
// latest heartbeat of each, in memory, until it is too old.
//
// Nothing is stored: after a start of the server workers appear again with
// their next heartbeat. Memory is bounded by a number of workers and a number
// of bytes; who was heard of least recently makes room.
package workers
