package serverprocess

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// EnvironmentBinary names a binary that is already built; without it Build compiles cmd/perdure.
const EnvironmentBinary = "PERDURE_BINARY"

// Build returns the path of the perdure binary, built once a process into the project's bin folder. It is put there by a
// rename, since test binaries of several packages build and run it at the same time.
var Build = sync.OnceValues(func() (string, error) {
	if binary := os.Getenv(EnvironmentBinary); binary != "" {
		return filepath.Abs(binary)
	}
	root, err := ProjectRoot()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", "perdure")
	fresh := fmt.Sprintf("%s.%d", binary, os.Getpid())
	build := exec.Command("go", "build", "-o", fresh, "./cmd/perdure")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/perdure: %w\n%s", err, output)
	}
	return binary, os.Rename(fresh, binary)
})

// ProjectRoot is the folder with go.mod, upwards from the working directory.
func ProjectRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		folder = parent
	}
}
