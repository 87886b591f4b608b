// Package views keeps saved filters: one metadata record each, whose key is the
// name. A filter is read when somebody asks for it, so that a change shows on
// all nodes at once.
package views
