package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// memoryInterval is the time between two looks at the server's memory: its peak in between is missed.
	memoryInterval = 100 * time.Millisecond
	// profileSecondsMax bounds a CPU profile.
	profileSecondsMax = 30
	// catchUpInterval is the time between two looks at the server's readers.
	catchUpInterval = 50 * time.Millisecond
	// CatchUpMax is how long a server may take for what is left to do after a load.
	CatchUpMax = 60 * time.Second
)

// Window is a measured time: samples at its ends, the highest memory between them and, when asked, profiles.
type Window struct {
	Sources Sources
	// ProfileFolder takes a CPU and a heap profile whose files begin with ProfileName; empty: none.
	ProfileFolder, ProfileName string
	// ProfileSeconds is how long the CPU is watched.
	ProfileSeconds int

	Begin, End Sample
	PeakBytes  float64 // of the server's resident memory
	stop       context.CancelFunc
	watchers   sync.WaitGroup
	profileErr error
}

// Open takes the first sample and begins to watch.
func (w *Window) Open(ctx context.Context) (err error) {
	if w.Begin, err = w.Sources.Sample(ctx); err != nil {
		return err
	}
	w.PeakBytes = w.Begin.ResidentBytes
	ctx, w.stop = context.WithCancel(ctx)
	if w.Sources.PID != 0 {
		w.watchers.Go(func() { w.watchMemory(ctx) })
	}
	if w.ProfileFolder != "" {
		w.watchers.Go(func() { w.profileErr = w.profileCPU(context.WithoutCancel(ctx)) })
	}
	return nil
}

// Close takes the last sample and ends the watch; a CPU profile is waited for.
func (w *Window) Close(ctx context.Context) (err error) {
	w.End, err = w.Sources.Sample(ctx)
	w.stop()
	w.watchers.Wait()
	w.PeakBytes = max(w.PeakBytes, w.End.ResidentBytes)
	if w.ProfileFolder != "" {
		err = errors.Join(err, w.profileErr, w.save(ctx, "heap?gc=1", "heap"))
	}
	return err
}

func (w *Window) watchMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if bytes, err := residentBytes(w.Sources.PID); err == nil { // an end of the server shows elsewhere
			w.PeakBytes = max(w.PeakBytes, bytes)
		}
	}
}

func (w *Window) profileCPU(ctx context.Context) error {
	seconds := min(max(1, w.ProfileSeconds), profileSecondsMax)
	return w.save(ctx, fmt.Sprintf("profile?seconds=%d", seconds), "cpu")
}

// save writes one profile of the server to a file that `go tool pprof` reads.
func (w *Window) save(ctx context.Context, page, kind string) error {
	if err := os.MkdirAll(w.ProfileFolder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(w.ProfileFolder, w.ProfileName+"."+kind+".pb.gz"))
	if err != nil {
		return err
	}
	err = get(ctx, w.Sources.profilesURL()+page, func(body io.Reader) error {
		_, err := io.Copy(file, body)
		return err
	})
	return errors.Join(err, file.Close())
}

// CatchUp waits until the readers of the server's log have done all that the load left to them, and returns how long that took.
// Flat tells whether they had kept up: whether it took no more than a twentieth of the load's time, or a second. Without
// metrics it returns at once and known is false.
func (w *Window) CatchUp(ctx context.Context) (took time.Duration, flat, known bool, err error) {
	if w.Sources.MetricsURL == "" {
		return 0, false, false, nil
	}
	begun := time.Now()
	for {
		var now Sample
		if err := w.Sources.askMetrics(ctx, &now); err != nil {
			return 0, false, false, err
		}
		took = time.Since(begun)
		if (now.PendingRows == 0 && now.UnindexedRecords == 0) || took > CatchUpMax {
			break
		}
		select {
		case <-time.After(catchUpInterval):
		case <-ctx.Done():
			return took, false, false, ctx.Err()
		}
	}
	return took, took <= max(time.Second, w.End.At.Sub(w.Begin.At)/20), true, nil
}
