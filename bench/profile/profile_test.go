package profile

import (
	"context"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

const traces = `File: odradek
Type: cpu
Duration: 2.15s, Total samples = 1.06s (49.30%)
-----------+-------------------------------------------------------
   600000us   internal/runtime/syscall/linux.Syscall6
             syscall.RawSyscall6
             syscall.Syscall6
             golang.org/x/sys/unix.pwritevSyscall
             golang.org/x/sys/unix.Pwritev (inline)
             odradek/disk/store.(*file).write
-----------+-------------------------------------------------------
     key:  value
   300000us   runtime.futex
             runtime.notesleep
-----------+-------------------------------------------------------
   100000us   slices.insertionSort[go.shape.struct { odradek/core.x }]
             odradek/core.Step
             odradek/core.recurse
             odradek/core.recurse
`

func shares(list []Share) string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name+"="+s.Time.String())
	}
	return strings.Join(out, " ")
}

// Stacks are added up by where they end, by who called, by package and by system call.
func TestParse(t *testing.T) {
	s, err := Parse(traces)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shares(s.Calls), "pwritev=600ms futex=300ms"; got != want {
		t.Errorf("system calls are %s, not %s", got, want)
	}
	if got, want := shares(s.Packages), "internal/runtime/syscall/linux=600ms runtime=300ms slices=100ms"; got != want {
		t.Errorf("packages are %s, not %s", got, want)
	}
	if got := shares(s.Below); !strings.Contains(got, "odradek/core.recurse=100ms") || !strings.Contains(got, "golang.org/x/sys/unix.Pwritev=600ms") {
		t.Errorf("with callees: %s", got)
	}
	if got, want := s.Line(), "system calls 90.0 % (pwritev 60.0 %, futex 30.0 %); besides: runtime 30.0 %, slices 10.0 %; 1s of samples"; got != want {
		t.Errorf("in a line: %s", got)
	}
	var b strings.Builder
	if err := s.Markdown(&b); err != nil || strings.Count(b.String(), "| share |") != 4 || !strings.Contains(b.String(), "| `pwritev` | 60.0 % |") {
		t.Errorf("%v\n%s", err, b.String())
	}
	for _, empty := range []string{"", "File: odradek\nType: cpu\n", "File: x\n-----------+----\n"} {
		if _, err := Parse(empty); err == nil {
			t.Errorf("%q is a profile", empty)
		}
	}
}

// A profile that was just made is read by way of the toolchain.
func TestRead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a second of CPU")
	}
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		t.Skip(err) // the tests themselves are profiled
	}
	burn(400 * time.Millisecond)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Read(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got := shares(s.Below); !strings.Contains(got, "odradek/bench/profile.burn=") {
		t.Errorf("what burned is not among %s", got)
	}
	if _, err := Read(context.Background(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file is a profile")
	}
}

//go:noinline
func burn(d time.Duration) {
	x := 1
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i := range 1000 {
			x = x*31 + i
		}
	}
	burned = x
}

var burned int
