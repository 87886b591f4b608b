package load

import "sync"

// cacheEntries is how many runs a worker remembers, as the Go SDK's default is.
const cacheEntries = 10_000

// cache is what a worker remembers of runs whose next task may come on its sticky queue.
type cache struct {
	mutex sync.Mutex
	runs  map[string]*progress
}

func newCache() *cache { return &cache{runs: map[string]*progress{}} }

// take removes and returns what is known of a run; nil for nothing.
func (c *cache) take(runID string) *progress {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	known := c.runs[runID]
	delete(c.runs, runID)
	return known
}

// put remembers a run; any other one goes when there are too many.
func (c *cache) put(runID string, p *progress) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for other := range c.runs {
		if len(c.runs) < cacheEntries {
			break
		}
		delete(c.runs, other)
	}
	c.runs[runID] = p
}
