package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"perdure/server"
	"perdure/server/metrics"
	"perdure/server/telemetry"
	"perdure/visibility"
	"perdure/visibility/audit"
)

type visibilityCommand struct {
	Status  statusCommand      `cmd:"" help:"How the stores of search records do."`
	Rebuild rebuildCommand     `cmd:"" help:"Rebuild a store from the executions, beside a running server."`
	Audit   auditCommand       `cmd:"" help:"Compare a store with the executions, and repair it."`
	Migrate toStoreCommand     `cmd:"" help:"Fill a second store, compare it, and say how to switch to it."`
	DLQ     deadLettersCommand `cmd:"" name:"dlq" help:"Records that a store refused."`

	Index      visibilityIndexCommand      `cmd:"" help:"Indexes of single search attributes."`
	Attributes visibilityAttributesCommand `cmd:"" help:"Custom search attributes of a namespace."`
}

// searchTarget says where the stores are: behind a running server, or open to this process.
type searchTarget struct {
	Address string `default:"127.0.0.1:9233" help:"Metrics port of a running server on this machine, which does the work."`
	Config  string `short:"c" placeholder:"FILE" help:"Work without a server instead, on the stores that this file names. A server may run beside it unless its store is an SQLite file."`
}

// storeTarget is a searchTarget with a store.
type storeTarget struct {
	searchTarget
	Store     string `placeholder:"NAME" help:"Name of the store, as in search.stores; may be left out where there is but one."`
	Namespace string `short:"n" placeholder:"NAME" help:"Only runs of this namespace."`
}

// call sends an operation to the server and decodes its answer.
func (t *searchTarget) call(method, path string, op server.Operation, into any) error {
	body, err := t.send(method, path, op)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

func (t *searchTarget) send(method, path string, op server.Operation) (io.ReadCloser, error) {
	data, err := json.Marshal(op)
	if err != nil {
		return nil, err
	}
	ctx, stop := interruptible()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+t.Address+"/admin/visibility/"+path, bytes.NewReader(data))
	if err != nil {
		stop()
		return nil, usageError{fmt.Errorf("--address %q: %w", t.Address, err)}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		stop()
		return nil, fmt.Errorf("no server answers (--address names its metrics port, --config works without one): %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return &closing{response.Body, stop}, nil
	}
	defer stop()
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body) // the status says enough
	return nil, fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
}

// closing calls a function with the end of a body.
type closing struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (c *closing) Close() error {
	c.stop()
	return c.ReadCloser.Close()
}

// offline opens the stores of the configuration file.
func (t *searchTarget) offline(ctx context.Context, c *console) (*server.Operations, error) {
	settings, err := loadConfig(t.Config)
	if err != nil {
		return nil, err
	}
	logger, err := telemetry.NewLogger(c.err, settings.Log.Format, settings.Log.Level, nil)
	if err != nil {
		return nil, usageError{err}
	}
	return server.OpenOperations(ctx, settings, logger, metrics.NewRegistry())
}

type statusCommand struct{ searchTarget }

func (s *statusCommand) Run(c *console) error {
	var list []server.SearchStatus
	if err := s.statuses(c, &list); err != nil {
		return err
	}
	for _, status := range list {
		fmt.Fprintf(c.out, "%-12s %-14s reads=%t blocked=%t pending=%d oldest=%v behind_shards=%d lost_shards=%d dead_letters=%d rebuild=%s\n", status.Name, status.Kind,
			status.Reads, status.Blocked, status.PendingRuns, status.Oldest.Round(time.Millisecond), status.BehindShards, status.LostShards, status.DeadLetters, phase(status))
	}
	return nil
}

func phase(status server.SearchStatus) string {
	if status.Rebuild.Phase == "" {
		return "none"
	}
	return status.Rebuild.Phase
}

func (t *searchTarget) statuses(c *console, list *[]server.SearchStatus) error {
	if t.Config == "" {
		return t.call(http.MethodGet, "stores", server.Operation{}, list)
	}
	ctx, stop := interruptible()
	defer stop()
	operations, err := t.offline(ctx, c)
	if err != nil {
		return err
	}
	*list, err = operations.Status(ctx)
	return errors.Join(err, operations.Close())
}

type rebuildCommand struct {
	Address   string `default:"127.0.0.1:9233" help:"Metrics port of a running server on this machine, which does the work."`
	Store     string `placeholder:"NAME" help:"Name of the store, as in search.stores; may be left out where there is but one."`
	Namespace string `short:"n" placeholder:"NAME" help:"Only runs of this namespace."`
	Rate      int    `help:"Runs a second at most; 0 goes as fast as the store takes them."`
	Again     bool   `help:"Also write runs that the store has already in this version, such as when their form has changed."`
	NoWait    bool   `help:"Do not wait for the end."`
}

func (r *rebuildCommand) Help() string {
	return `All executions are read and written to the store, and what it has beside them is removed. Changes go on meanwhile and the newer
version of a run always wins. How far it is, is stored: it goes on after a restart of the server. Without a server, "audit --repair --config FILE" does the same.

Examples:
  perdure visibility rebuild --store es --rate 5000
  perdure visibility rebuild --store es --namespace orders --again`
}

func (r *rebuildCommand) Run(c *console) error {
	target := searchTarget{Address: r.Address}
	op := server.Operation{Store: r.Store, Namespace: r.Namespace, Rate: r.Rate, Again: r.Again}
	if err := target.call(http.MethodPost, "rebuild", op, &struct{}{}); err != nil {
		return err
	}
	if r.NoWait {
		return nil
	}
	return target.follow(c, r.Store)
}

// follow prints how far a rebuild is, to its end.
func (t *searchTarget) follow(c *console, name string) error {
	for last := ""; ; {
		var list []server.SearchStatus
		if err := t.call(http.MethodGet, "stores", server.Operation{}, &list); err != nil {
			return err
		}
		for _, status := range list {
			if status.Name != name && (name != "" || len(list) > 1) {
				continue
			}
			p := status.Rebuild
			line := fmt.Sprintf("%s: %d runs, %.0f a second, %d removed", p.Phase, p.Scanned, p.Rate, p.Removed)
			if p.Error != "" {
				line += ", last trouble: " + p.Error
			}
			if line != last {
				fmt.Fprintln(c.out, line)
			}
			last = line
			if p.Phase == "done" {
				return nil
			}
		}
		time.Sleep(time.Second)
	}
}

type auditCommand struct {
	storeTarget
	Sample float64 `default:"1" help:"Share of the hours to compare, such as 0.01."`
	Repair bool    `help:"Bring what is missing or stale and remove what does not exist."`
}

func (a *auditCommand) Help() string {
	return `The runs of each namespace and hour of start are counted and summed up on both sides; only where the sums differ are runs compared. A line
for each run that is missing, stale or an orphan, in the store but not there. The exit code is 1 when there are any that were not repaired.

Examples:
  perdure visibility audit --store es
  perdure visibility audit --store sql --config perdure.yaml --repair`
}

func (a *auditCommand) Run(c *console) error {
	summary, err := a.compare(c)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "compared %d runs in %d hours of namespaces: %d missing, %d stale, %d orphans\n",
		summary.Runs, summary.Buckets, summary.Missing, summary.Stale, summary.Orphans)
	if summary.Differences() > 0 && !a.Repair {
		return errors.New("the store differs from the executions; --repair brings it in line")
	}
	return nil
}

func (a *auditCommand) compare(c *console) (audit.Summary, error) {
	op := server.Operation{Store: a.Store, Namespace: a.Namespace, Sample: a.Sample, Repair: a.Repair}
	if a.Config == "" {
		return a.remote(c, op)
	}
	ctx, stop := interruptible()
	defer stop()
	operations, err := a.offline(ctx, c)
	if err != nil {
		return audit.Summary{}, err
	}
	summary, err := operations.Audit(ctx, op, func(d audit.Difference) error { return printDifference(c, d) })
	return summary, errors.Join(err, operations.Close())
}

func printDifference(c *console, d audit.Difference) error {
	_, err := fmt.Fprintf(c.out, "%-7s namespace %s workflow %q run %s: version %d, stored %d\n", d.Kind, d.NamespaceID, d.WorkflowID, d.RunID, d.Version, d.Stored)
	return err
}

func (a *auditCommand) remote(c *console, op server.Operation) (audit.Summary, error) {
	body, err := a.send(http.MethodPost, "audit", op)
	if err != nil {
		return audit.Summary{}, err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var line server.AuditLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return audit.Summary{}, err
		}
		switch {
		case line.Error != "":
			return audit.Summary{}, errors.New(line.Error)
		case line.Summary != nil:
			return *line.Summary, nil
		case line.Difference != nil:
			if err := printDifference(c, *line.Difference); err != nil {
				return audit.Summary{}, err
			}
		}
	}
	return audit.Summary{}, errors.Join(errors.New("the answer ends too early"), lines.Err())
}

type toStoreCommand struct {
	Address string `default:"127.0.0.1:9233" help:"Metrics port of a running server on this machine, which does the work."`
	From    string `required:"" placeholder:"NAME" help:"The store that answers searches now."`
	To      string `required:"" placeholder:"NAME" help:"The store that shall."`
	Rate    int    `help:"Runs a second at most; 0 goes as fast as the store takes them."`
}

func (m *toStoreCommand) Help() string {
	return `Both stores must be in search.stores of the running server, which feeds both. The new one is rebuilt from the executions, not copied from the
old one, and audited. Then search.reads can name it; search.shadow lets its answers be compared before.`
}

func (m *toStoreCommand) Run(c *console) error {
	target := searchTarget{Address: m.Address}
	var list []server.SearchStatus
	if err := target.call(http.MethodGet, "stores", server.Operation{}, &list); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, status := range list {
		known[status.Name] = true
	}
	if !known[m.From] || !known[m.To] || m.From == m.To {
		return usageError{fmt.Errorf("--from %s --to %s: want two stores of the server's", m.From, m.To)}
	}
	rebuild := rebuildCommand{Address: m.Address, Store: m.To, Rate: m.Rate}
	if err := rebuild.Run(c); err != nil {
		return err
	}
	compare := auditCommand{storeTarget: storeTarget{searchTarget: target, Store: m.To}}
	if err := compare.Run(c); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s has every run. Set search.reads to %s and restart the server; %s can leave search.stores after that.\n", m.To, m.To, m.From)
	return nil
}

type deadLettersCommand struct {
	List  lettersCommand `cmd:"" help:"List them, the oldest first."`
	Retry retryCommand   `cmd:"" help:"Give them to the store once more, as the runs are now."`
	Purge purgeCommand   `cmd:"" help:"Forget them; the runs stay listed without their attributes."`
}

type (
	lettersCommand struct{ storeTarget }
	retryCommand   struct{ storeTarget }
	purgeCommand   struct{ storeTarget }
)

// operate does an operation here or in the server.
func (t *storeTarget) operate(c *console, path string, into any, here func(context.Context, *server.Operations, server.Operation) error) error {
	op := server.Operation{Store: t.Store, Namespace: t.Namespace}
	if t.Config == "" {
		return t.call(http.MethodPost, path, op, into)
	}
	ctx, stop := interruptible()
	defer stop()
	operations, err := t.offline(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(here(ctx, operations, op), operations.Close())
}

func (l *lettersCommand) Run(c *console) error {
	var letters []visibility.DeadLetter
	err := l.operate(c, "dlq/list", &letters, func(ctx context.Context, o *server.Operations, op server.Operation) (err error) {
		letters, err = o.DeadLetters(ctx, op)
		return err
	})
	for _, d := range letters {
		fmt.Fprintf(c.out, "%s namespace %s workflow %q run %s attempts %d: %s\n", d.FirstAt.Format(time.RFC3339), d.NamespaceID, d.WorkflowID, d.RunID, d.Attempts, d.Error)
	}
	return err
}

func (r *retryCommand) Run(c *console) error {
	var result server.DeadLettersRetried
	err := r.operate(c, "dlq/retry", &result, func(ctx context.Context, o *server.Operations, op server.Operation) (err error) {
		result, err = o.RetryDeadLetters(ctx, op)
		return err
	})
	if err == nil {
		fmt.Fprintf(c.out, "%d written, %d refused again, %d of runs that do not exist any more\n", result.Written, result.Refused, result.Gone)
	}
	return err
}

func (p *purgeCommand) Run(c *console) error {
	count := 0
	err := p.operate(c, "dlq/purge", &count, func(ctx context.Context, o *server.Operations, op server.Operation) (err error) {
		count, err = o.PurgeDeadLetters(ctx, op)
		return err
	})
	if err == nil {
		fmt.Fprintf(c.out, "%d forgotten\n", count)
	}
	return err
}
