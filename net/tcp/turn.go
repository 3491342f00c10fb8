package tcp

import (
	"sync"
	"time"
)

// Turn is taken by work that costs far more than the bytes that ask for it: a batch that decompresses to a hundred times its size, a request that names
// thousands of partitions. It is done one at a time, and then rests, so that others are served whatever comes. The longer it takes, the longer is the rest: what
// is over in a moment gets a quarter of a processor, what takes five milliseconds or more a hundredth, since whoever comes meanwhile waits for it and one in a
// hundred is what others may notice.
type Turn struct {
	mu    sync.Mutex
	once  sync.Once
	ended chan struct{}
}

func (t *Turn) end() chan struct{} {
	t.once.Do(func() { t.ended = make(chan struct{}) })
	return t.ended
}

// Close ends all rests: what waits is done, one after the other. It is called once.
func (t *Turn) Close() { close(t.end()) }

const (
	restLeast = 3 // times the work
	restMost  = 99
	restStep  = 50 * time.Microsecond // of work raises the rest by one time
	restMax   = 10 * time.Second
)

// restAfter is how long the next work waits after one that took so long.
func restAfter(work time.Duration) time.Duration {
	times := min(max(work/restStep, restLeast), restMost)
	return min(times*work, restMax)
}

// Do does the work in its turn. Whoever asked waits for the rest, too: that holds back those who ask again and again.
func (t *Turn) Do(work func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := time.Now()
	work()
	rest := time.NewTimer(restAfter(time.Since(began)))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-t.end():
	}
}
