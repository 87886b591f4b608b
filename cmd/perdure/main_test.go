package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // for future

	"perdure/internal/serverprocess"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"perdure": main})
}

const scriptsTimeout = time.Minute

// TestScripts runs the command line as people do: testdata/*.txt.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:      "testdata",
		Deadline: time.Now().Add(scriptsTimeout), // a command that serves instead of complaining would run for ever
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"oneline": oneLine,
			"occupy":  occupy,
			"garbage": garbage,
			"future":  future,
			"ports":   freePorts,
			"fetch":   fetch,
			"post":    post,
		},
	})
}

// oneLine checks that standard error is a single line.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	text := ts.ReadFile("stderr")
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "perdure: ") {
		ts.Fatalf("want one line of perdure's on standard error, got %q", text)
	}
}

// occupy NAME listens on a free port until the script ends and puts its number into $NAME.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv(args[0], strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}

// garbage FILE BYTES overwrites the middle of a file, or makes one that is no database.
func garbage(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.Getenv("WORK"), args[0])
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(strings.Repeat("no database ", size/12+1))[:size], 0o600))
	_, err = fmt.Fprintf(ts.Stdout(), "%d bytes of garbage\n", size)
	ts.Check(err)
}

// freePorts NAME... puts numbers of free ports into variables.
func freePorts(ts *testscript.TestScript, _ bool, args []string) {
	ports, err := serverprocess.FreePorts(len(args))
	ts.Check(err)
	for i, name := range args {
		ts.Setenv(name, strconv.Itoa(ports[i]))
	}
}

const (
	fetchTimeout  = 20 * time.Second
	fetchInterval = 10 * time.Millisecond
)

// fetch URL prints a page, as soon as somebody serves it.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(fetchInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(fetchTimeout); ; <-tick.C {
		response, err := http.Get(args[0])
		if err == nil {
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			ts.Check(err)
			_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s\n", response.Status, body)
			ts.Check(err)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}

// post URL BODY sends JSON to a server that serves.
func post(ts *testscript.TestScript, _ bool, args []string) {
	response, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s\n", response.Status, body)
	ts.Check(err)
}

// future FILE records a migration that only a newer program can know.
func future(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", filepath.Join(ts.Getenv("WORK"), args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), "INSERT INTO store_version (version, name, checksum) VALUES (9999, 'later', 'x')")
	ts.Check(err)
	ts.Check(db.Close())
}
