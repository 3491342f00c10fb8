package store

import (
	"sync"

	"odradek/disk/vfs"
)

// janitor closes files that left their log. The last close of a removed file gives its blocks back, which takes the file system milliseconds for a large one: nobody
// who holds a lock waits for that.
type janitor struct {
	mu     sync.Mutex
	wake   *sync.Cond
	files  []vfs.File // bounded by the segments there were
	ending bool
	done   chan struct{}
}

func newJanitor() *janitor {
	j := &janitor{done: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	go j.run()
	return j
}

// close has a file closed soon. Nothing was promised of it, so nobody is told of an error.
func (j *janitor) close(f vfs.File) {
	j.mu.Lock()
	ended := j.ending
	if !ended {
		j.files = append(j.files, f)
	}
	j.mu.Unlock()
	if ended {
		_ = f.Close() // the last pin of a store that was closed
		return
	}
	j.wake.Signal()
}

// end closes what is left and returns when all is closed.
func (j *janitor) end() {
	j.mu.Lock()
	j.ending = true
	j.mu.Unlock()
	j.wake.Signal()
	<-j.done
}

func (j *janitor) run() {
	defer close(j.done)
	for {
		j.mu.Lock()
		for len(j.files) == 0 && !j.ending {
			j.wake.Wait()
		}
		files := j.files
		j.files = nil
		j.mu.Unlock()
		if len(files) == 0 {
			return
		}
		for _, f := range files {
			_ = f.Close()
		}
	}
}
