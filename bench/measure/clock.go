// Package measure holds what turns a run into figures: the clock, histograms, intervals, what a process used, and what the machine can do.
package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// The monotonic clock at the moment when base was read: Go hides its value, and other processes know only the kernel's.
var (
	base     = time.Now()
	baseMono = kernelMono()
)

func kernelMono() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// Now is CLOCK_MONOTONIC in nanoseconds, the same in all processes of a machine. It makes no system call.
func Now() int64 { return baseMono + int64(time.Since(base)) }
