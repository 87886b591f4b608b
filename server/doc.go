// Package server is the wiring by hand: a configuration becomes a store,
// services and listeners. Read Run in server.go and follow the constructors.
package server
