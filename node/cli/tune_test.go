package cli

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is confined to one processor while it runs goes on with two for Go code.
func TestTunedForGood(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the runtime to look at its processors: 3 s")
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Skip(err)
	}
	if all.Count() < 2 {
		t.Skip("needs two processors")
	}
	var one unix.CPUSet
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	runtime.SetDefaultGOMAXPROCS() // package testing has set it, too
	tuneProcess()
	confine(t, &one)
	defer confine(t, &all)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // it looks once a second, while there is work
		if n := runtime.GOMAXPROCS(0); n < 2 {
			t.Fatalf("%d processors for Go code", n)
		}
	}
}

// confine sets the processors of all threads.
func confine(t *testing.T, to *unix.CPUSet) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			if err := unix.SchedSetaffinity(tid, to); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}
