package measure

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The processors of what is measured and of what measures, where they are kept apart.
const (
	theirs = 0
	own    = 1
)

// processors are those that this process may use.
func processors() (set unix.CPUSet, err error) {
	return set, unix.SchedGetaffinity(os.Getpid(), &set)
}

// CanPart reports whether the machine has the processors that Apart needs.
func CanPart() bool {
	set, err := processors()
	return err == nil && set.IsSet(theirs) && set.IsSet(own)
}

// Apart gives a process the first processor and this one the second, until together is called.
func Apart(pid int) (together func() error, err error) {
	before, err := processors()
	if err != nil {
		return nil, err
	}
	if pid == 0 {
		return nil, errors.New("what has no process of its own cannot be kept apart")
	}
	var a, b unix.CPUSet
	a.Set(theirs)
	b.Set(own)
	together = func() error { return errors.Join(confine(pid, &before), confine(os.Getpid(), &before)) }
	if err := errors.Join(confine(pid, &a), confine(os.Getpid(), &b)); err != nil {
		return nil, errors.Join(err, together())
	}
	return together, nil
}

// confine sets the processors of all threads of a process. Threads inherit them from the one that makes them, so it looks again until no new one has come.
func confine(pid int, to *unix.CPUSet) error {
	done := map[int]bool{}
	for {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		before := len(done)
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid] = true
			if err := unix.SchedSetaffinity(tid, to); err != nil && !errors.Is(err, unix.ESRCH) { // a thread that has ended meanwhile
				return fmt.Errorf("processors of thread %d: %w", tid, err)
			}
		}
		if len(done) == before {
			return nil
		}
	}
}
