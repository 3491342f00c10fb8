package sim

import (
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Digest is what a run's trace sums to: two xxhash64 lanes with different seeds. Two runs did the same when their digests are equal.
type Digest [2]uint64

func (d Digest) String() string { return fmt.Sprintf("%016x%016x", d[0], d[1]) }

// trace takes every line of a run: events and effects of cores, faults, what clients do. Each has the virtual time and who it happened to.
type trace struct {
	lanes [2]*xxhash.Digest
	line  []byte
	sink  func(line []byte) // nil: nobody reads it
}

func newTrace(sink func([]byte)) trace {
	return trace{lanes: [2]*xxhash.Digest{xxhash.NewWithSeed(0x6f647261), xxhash.NewWithSeed(0x64656b21)}, sink: sink}
}

// begin starts a line; what follows is appended to t.line, and end closes it.
func (t *trace) begin(at Time, who string) {
	t.line = strconv.AppendInt(t.line[:0], int64(at), 10)
	t.line = append(t.line, ' ')
	t.line = append(t.line, who...)
	t.line = append(t.line, ' ')
}

func (t *trace) end() {
	t.line = append(t.line, '\n')
	for _, lane := range t.lanes {
		lane.Write(t.line) // never fails
	}
	if t.sink != nil {
		t.sink(t.line)
	}
}

func (t *trace) digest() Digest { return Digest{t.lanes[0].Sum64(), t.lanes[1].Sum64()} }
