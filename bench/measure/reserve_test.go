package measure

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resident is this process's, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// A reserve is there from the beginning, goes back part by part, and is gone in the end, also when the run is over before.
func TestReserve(t *testing.T) {
	const size, slack = 256 << 20, 32 << 20
	before := resident(t)
	is := func(what string, want int64) {
		t.Helper()
		if got := resident(t) - before; got < want-slack || got > want+slack {
			t.Errorf("%s: %d MB are resident, want %d", what, got>>20, want>>20)
		}
	}
	r, err := Hold(size)
	if err != nil {
		t.Fatal(err)
	}
	is("held", size)
	r.keep(0.75)
	is("a quarter is back", size*3/4)
	r.keep(0.80) // never more again
	is("still", size*3/4)
	end := r.Lend(time.Hour)
	time.Sleep(3 * lendEvery)
	is("hardly begun", size*3/4)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	is("ended early", 0)
	if r, err = Hold(size); err != nil {
		t.Fatal(err)
	}
	end = r.Lend(5 * lendEvery)
	for deadline := time.Now().Add(10 * time.Second); resident(t)-before > slack && time.Now().Before(deadline); {
		time.Sleep(lendEvery)
	}
	is("lent", 0)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if r, err = Hold(0); err != nil {
		t.Fatal(err)
	}
	if err := r.Lend(time.Second)(); err != nil {
		t.Fatal(err)
	}
}
