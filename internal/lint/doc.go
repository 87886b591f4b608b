// Package lint is the project's style as tests: import directions, sizes,
// banned calls and names. CONTRIBUTING.md tells the rules in prose.
package lint
