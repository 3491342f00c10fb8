package fetch

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/stream"
)

// TestAgainstList compares the registers with a plain list of waiters.
func TestAgainstList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Waiters
		var list []*Waiter
		have := map[uint64]int64{}
		next := uint64(1)
		for range rapid.IntRange(1, 40).Draw(t, "operations") {
			s := stream.ID{Partition: int32(rapid.IntRange(0, 3).Draw(t, "stream"))}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				f := &Waiter{ID: next, Conn: next + 100, Want: int64(rapid.IntRange(1, 30).Draw(t, "want"))}
				next++
				for range rapid.IntRange(1, 3).Draw(t, "streams") {
					f.Streams = append(f.Streams, stream.ID{Partition: int32(rapid.IntRange(0, 3).Draw(t, "of"))})
				}
				w.Park(f)
				list = append(list, f)
			case 1:
				if len(list) == 0 {
					continue
				}
				f := rapid.SampledFrom(list).Draw(t, "waiter")
				w.Remove(f)
				w.Remove(f)
				list = slices.DeleteFunc(list, func(g *Waiter) bool { return g == f })
			case 2:
				bytes := int64(rapid.IntRange(1, 20).Draw(t, "bytes"))
				ready := w.Moved(s, bytes, nil)
				for _, f := range list {
					for _, of := range f.Streams {
						if of == s {
							have[f.ID] += bytes
						}
					}
					if got := slices.Contains(ready, f); got != (slices.Contains(f.Streams, s) && have[f.ID] >= f.Want) {
						t.Fatalf("waiter %d has %d of %d, ready: %v", f.ID, have[f.ID], f.Want, got)
					}
				}
			}
			if w.Len() != len(list) || w.Waits(s) != slices.ContainsFunc(list, func(f *Waiter) bool { return slices.Contains(f.Streams, s) }) {
				t.Fatalf("%d waiters, want %d", w.Len(), len(list))
			}
			for _, f := range list {
				if g, ok := w.OfConn(f.Conn); !ok || g != f {
					t.Fatalf("connection %d has %v", f.Conn, g)
				}
			}
		}
	})
}
