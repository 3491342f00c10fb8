package tcp

import (
	"sync"
	"time"
)

// Turn is taken by work that costs far more than the bytes that ask for it: a batch that decompresses to a hundred times its size, a request that names
// thousands of partitions. It is done one at a time, and then waits, so that all of it together gets a quarter of a processor and others are served whatever comes.
type Turn struct{ mu sync.Mutex }

const (
	// turnRest is how many times as long as it took work keeps the next one waiting, at most restMax.
	turnRest = 3
	restMax  = time.Second
)

// Do does the work in its turn. Whoever asked waits for the rest, too: that holds back those who ask again and again.
func (t *Turn) Do(work func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := time.Now()
	work()
	time.Sleep(min(turnRest*time.Since(began), restMax))
}
