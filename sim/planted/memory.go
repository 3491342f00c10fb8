package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watchMemory ends a process that holds more memory than it may, until the function that it returns is called. Where the system has no /proc, it does nothing.
func watchMemory(p *os.Process, limit int64) (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if resident(p.Pid) > limit {
					_ = p.Kill() // it may be over by now
				}
			}
		}
	})
	return func() { close(done); watching.Wait() }
}

// resident returns the bytes that a process holds, 0 where that cannot be told.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
