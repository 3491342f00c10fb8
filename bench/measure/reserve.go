package measure

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Reserve is memory that the machine is made to have before a run, and that goes back to the kernel while the run needs it. A virtual machine may give free memory
// to its host at once, and the kernel pays up to 2.5 CPU-seconds for each GB that it gets again, in whichever process comes along: not in a broker that is measured.
type Reserve struct {
	memory []byte
	rest   []byte // of memory, that has not been given back yet
}

const (
	// reservePage is what is touched: where a page is larger, some of it more than once.
	reservePage = 4 << 10
	// lendEvery is how often a part goes back.
	lendEvery = 20 * time.Millisecond
)

// Hold takes memory and touches all of it; size is in bytes. The caller must have Lend called, or Free.
func Hold(size int64) (*Reserve, error) {
	if size <= 0 {
		return &Reserve{}, nil
	}
	memory, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("cannot reserve %d MB of memory: %w", size>>20, err)
	}
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // where there are none small ones serve
	for at := 0; at < len(memory); at += reservePage {
		memory[at] = 1
	}
	return &Reserve{memory: memory, rest: memory}, nil
}

// Lend gives the memory back bit by bit, for so long. end stops that and gives back the rest; it waits until that is done.
func (r *Reserve) Lend(long time.Duration) (end func() error) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(lendEvery)
		defer tick.Stop()
		for begun := time.Now(); len(r.rest) > 0; {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				r.keep(1 - float64(now.Sub(begun))/float64(long))
			}
		}
	}()
	return func() error {
		close(stop)
		<-stopped
		return r.Free()
	}
}

// hugePage is what parts are whole multiples of, so that none is split.
const hugePage = 2 << 20

// keep gives back all but a part of the memory.
func (r *Reserve) keep(part float64) {
	more := len(r.rest) - int(max(0, part)*float64(len(r.memory)))
	if more = more / hugePage * hugePage; part <= 0 {
		more = len(r.rest)
	}
	if more <= 0 {
		return
	}
	_ = unix.Madvise(r.rest[:more], unix.MADV_DONTNEED)
	r.rest = r.rest[more:]
}

// Free gives back what is left.
func (r *Reserve) Free() error {
	if r.memory == nil {
		return nil
	}
	memory := r.memory
	r.memory, r.rest = nil, nil
	return unix.Munmap(memory)
}
