// Package generated compares files that programs write with what the programs
// would write now. PERDURE_GENERATE=1 go test ./... writes them anew; this is
// what make generate does.
package generated

import (
	"os"
	"testing"
)

// RequireFresh fails the test when the file at path differs from content. With
// PERDURE_GENERATE=1 it writes the file instead.
func RequireFresh(t *testing.T, path, content string) {
	t.Helper()
	if os.Getenv("PERDURE_GENERATE") != "" {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != content {
		t.Fatalf("%s is stale: run make generate and commit it", path)
	}
}
