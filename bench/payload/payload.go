// Package payload makes the records that a benchmark sends. Each set is drawn from a seed once and used in a ring, so that making records costs the
// generator nothing while it measures.
package payload

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// StampSize is the part at the head of each value that the generator may overwrite with the time the record was due, in nanoseconds of the monotonic clock.
const StampSize = 8

// SizeMin is the smallest record: its stamp, and as much again that is payload.
const SizeMin = 16

// The ring of a set is larger than the largest batch with the largest window that a codec looks back, so that no codec finds a record of the lap before. Of very
// small records there are fewer: more of them do not fit into a batch either.
const (
	ringBytes = 4 << 20
	ringMost  = 64 << 10
)

// Names are the sets, in the order in which reports show them.
func Names() []string { return []string{"log", "json", "card", "random", "zeros"} }

// About says what the records of a set are, for the report.
func About(name string) string {
	return map[string]string{
		"log":    "lines of a web server's access log",
		"json":   "user activity as JSON, keyed by user",
		"card":   "card payments as JSON, keyed by card: most bytes are digits",
		"random": "random bytes, which nothing compresses",
		"zeros":  "zero bytes, which compress to nothing",
	}[name]
}

// Set is a ring of records.
type Set struct {
	Name   string
	Values [][]byte // each of the size asked for, the first StampSize bytes zero
	Keys   [][]byte // nil where the set has no keys
}

// New makes a set of values of exactly size bytes. The same arguments give the same records.
func New(name string, size int, seed uint64) (*Set, error) {
	if size < SizeMin {
		return nil, fmt.Errorf("a record of %d bytes: the least is %d", size, SizeMin)
	}
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("no payload set %q: there are %v", name, Names())
	}
	n := min(ringBytes/size, ringMost)
	s := &Set{Name: name}
	rng := rand.New(rand.NewPCG(seed, 0x0d12ade4))
	users := newZipf(rng, 10_000)
	for range n {
		key, value := one(name, size, rng, users)
		clear(value[:StampSize])
		s.Values, s.Keys = append(s.Values, value), append(s.Keys, key)
	}
	return s, nil
}

// one draws a record: text sets repeat their kind of line until the size is reached, and the last is cut.
func one(name string, size int, rng *rand.Rand, users *zipf) (key, value []byte) {
	user := users.draw()
	key = fmt.Appendf(nil, "user-%06d", user)
	value = make([]byte, StampSize, size+256)
	switch name {
	case "zeros":
		return key, value[:size]
	case "random":
		for len(value) < size {
			value = binary.LittleEndian.AppendUint64(value, rng.Uint64())
		}
		return key, value[:size:size]
	}
	if name == "card" {
		key = fmt.Appendf(nil, "card-%08d", user*7919%100_000_000)
	}
	for len(value) < size {
		switch name {
		case "log":
			value = logLine(value, rng, user)
		case "json":
			value = activity(value, rng, user)
		case "card":
			value = payment(value, rng, user)
		}
	}
	return key, value[:size:size]
}

// zipf draws numbers of which the low ones are much more frequent, as users are.
type zipf struct{ z *rand.Zipf }

func newZipf(rng *rand.Rand, n uint64) *zipf { return &zipf{rand.NewZipf(rng, 1.1, 8, n-1)} }
func (z *zipf) draw() uint64                 { return z.z.Uint64() }
