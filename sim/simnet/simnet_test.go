package simnet

import (
	"bytes"
	"slices"
	"testing"

	"odradek/core/prng"
)

// Bytes arrive whole and in order, though late and in other pieces; a stall only delays them; a reset loses a tail and nothing else.
func TestStream(t *testing.T) {
	for seed := range uint64(300) {
		rng := prng.FromNumber(seed, 1)
		w := Weather{Least: 1, Usual: 50, Most: 500, Slow: 100_000, Cut: 400_000}
		var c Conn
		var sent, got []byte
		var due []int64
		now := int64(0)
		reset := rng.IntN(2) == 0
		for range 40 {
			now += int64(rng.IntN(60))
			piece := make([]byte, rng.IntN(30))
			rng.Bytes(piece)
			due = c.Send(Client, now, piece, &w, &rng, due)
			sent = append(sent, piece...)
			if rng.IntN(10) == 0 {
				c.Stall(Server, now+int64(rng.IntN(300)))
			}
		}
		if !slices.IsSorted(due) {
			t.Fatalf("seed %d: pieces arrive at %v", seed, due)
		}
		for i := 0; i < len(due); i++ {
			if reset && i == len(due)/2 {
				c.Reset(due[i], true, &w, &rng)
			}
			p, later := c.Arrive(Server, due[i])
			if later > 0 {
				due = append(due, later)
				slices.Sort(due[i+1:])
			}
			got = append(got, p...)
		}
		if !bytes.HasPrefix(sent, got) || !reset && len(got) != len(sent) {
			t.Fatalf("seed %d: %d bytes of %d arrived, or others", seed, len(got), len(sent))
		}
	}
}
