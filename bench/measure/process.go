package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a process has used since it began.
type Usage struct {
	CPU    time.Duration `json:"cpu_ns"`
	Reads  int64         `json:"read_calls"`  // read system calls, those on sockets included
	Writes int64         `json:"write_calls"` // write system calls, likewise
	Fsyncs int64         `json:"fsyncs"`      // what the broker says; -1: it does not
}

// Sub is what was used since o.
func (u Usage) Sub(o Usage) Usage {
	d := Usage{CPU: u.CPU - o.CPU, Reads: u.Reads - o.Reads, Writes: u.Writes - o.Writes, Fsyncs: u.Fsyncs - o.Fsyncs}
	if u.Fsyncs < 0 || o.Fsyncs < 0 {
		d.Fsyncs = -1
	}
	return d
}

// Add is what two used together.
func (u Usage) Add(o Usage) Usage {
	sum := Usage{CPU: u.CPU + o.CPU, Reads: u.Reads + o.Reads, Writes: u.Writes + o.Writes, Fsyncs: u.Fsyncs + o.Fsyncs}
	if u.Fsyncs < 0 || o.Fsyncs < 0 {
		sum.Fsyncs = -1
	}
	return sum
}

// tick is the unit of /proc/PID/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// ProcessUsage reads /proc. Fsyncs are not known there.
func ProcessUsage(pid int) (Usage, error) {
	u := Usage{Fsyncs: -1}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	if u.CPU, err = parseStat(string(text)); err != nil {
		return u, err
	}
	if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)); err != nil {
		return u, err
	}
	u.Reads, u.Writes = field(string(text), "syscr:"), field(string(text), "syscw:")
	return u, nil
}

// parseStat adds up user and system time, the 14th and 15th field; the second is a name in brackets that may hold blanks.
func parseStat(text string) (time.Duration, error) {
	_, after, _ := cutLast(text, ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat holds %q", text)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/PID/stat holds %q", text)
	}
	return time.Duration(user+system) * tick, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// field is the number behind a name.
func field(text, name string) int64 {
	_, after, _ := strings.Cut(text, name)
	var n int64
	_, _ = fmt.Sscan(after, &n)
	return n
}

// Memory is the resident set of a process in bytes, now and at its greatest; 0 where it cannot be read.
func Memory(pid int) (now, most int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	return field(string(text), "VmRSS:") << 10, field(string(text), "VmHWM:") << 10
}

// ThreadWaited is for how many nanoseconds the calling thread has been ready to run without a processor since it began; 0 where that cannot be read.
func ThreadWaited() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", unix.Gettid()))
	if err != nil {
		return 0
	}
	var ran, waited int64
	_, _ = fmt.Sscan(string(text), &ran, &waited)
	return waited
}
