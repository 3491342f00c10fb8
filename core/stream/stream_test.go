package stream

import (
	"slices"
	"testing"

	"odradek/core/record"

	"pgregory.net/rapid"
)

// naiveEpochs keeps the epoch of every single offset: the second implementation that the cache is compared with.
type naiveEpochs struct {
	epochs []record.Epoch // by offset
	marks  []EpochStart   // every leadership that began, also those without a record
}

func (n *naiveEpochs) end() record.Offset { return record.Offset(len(n.epochs)) }

// starts rebuilds the entries: of leaderships that begin at the same offset the last one counts.
func (n *naiveEpochs) starts() []EpochStart {
	var out []EpochStart
	for _, m := range n.marks {
		if k := len(out); k > 0 && out[k-1].Start == m.Start {
			out[k-1] = m
		} else {
			out = append(out, m)
		}
	}
	return out
}

func (n *naiveEpochs) endOffset(epoch record.Epoch) (record.Epoch, record.Offset) {
	starts := n.starts()
	if len(starts) == 0 {
		return record.NoEpoch, record.NoOffset
	}
	best, end := record.NoEpoch, starts[0].Start
	for i, s := range starts {
		if s.Epoch <= epoch {
			best, end = s.Epoch, n.end()
			if i+1 < len(starts) {
				end = starts[i+1].Start
			}
		}
	}
	return best, end
}

func TestEpochsAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cache Epochs
		var naive naiveEpochs
		epoch := record.Epoch(-1)
		for range rapid.IntRange(1, 40).Draw(t, "operations") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0: // a leadership begins
				epoch += record.Epoch(rapid.IntRange(1, 3).Draw(t, "rise"))
				cache.Assign(epoch, naive.end())
				naive.marks = append(naive.marks, EpochStart{epoch, naive.end()})
			case 1: // records of the present epoch
				if epoch < 0 {
					continue
				}
				if k := len(naive.marks); k == 0 || naive.marks[k-1].Epoch < epoch {
					naive.marks = append(naive.marks, EpochStart{epoch, naive.end()})
				}
				cache.Assign(epoch, naive.end())
				for range rapid.IntRange(1, 5).Draw(t, "records") {
					naive.epochs = append(naive.epochs, epoch)
				}
			case 2: // cut
				to := rapid.IntRange(0, len(naive.epochs)).Draw(t, "to")
				cache.TruncateTo(record.Offset(to))
				naive.epochs = naive.epochs[:to]
				naive.marks = slices.DeleteFunc(naive.marks, func(m EpochStart) bool { return m.Start >= record.Offset(to) })
			case 3:
				asked := record.Epoch(rapid.IntRange(0, int(epoch)+2).Draw(t, "asked"))
				gotEpoch, gotEnd := cache.EndOffset(asked, naive.end())
				wantEpoch, wantEnd := naive.endOffset(asked)
				if gotEpoch != wantEpoch || gotEnd != wantEnd {
					t.Fatalf("EndOffset(%d) = %d, %d; want %d, %d of %v", asked, gotEpoch, gotEnd, wantEpoch, wantEnd, naive.marks)
				}
			}
			if !slices.Equal(cache.Entries(), naive.starts()) {
				t.Fatalf("entries %v, want %v", cache.Entries(), naive.starts())
			}
			for o, e := range naive.epochs {
				if got := cache.At(record.Offset(o)); got != e {
					t.Fatalf("offset %d is of epoch %d, want %d", o, got, e)
				}
			}
		}
	})
}

func TestEpochsStartAt(t *testing.T) {
	c := NewEpochs([]EpochStart{{1, 0}, {2, 10}, {5, 20}})
	c.StartAt(12)
	if want := []EpochStart{{2, 11}, {5, 20}}; !slices.Equal(c.Entries(), want) {
		t.Fatalf("after StartAt(12): %v, want %v", c.Entries(), want)
	}
	if e, end := c.EndOffset(1, 30); e != record.NoEpoch || end != 11 {
		t.Fatalf("a forgotten epoch ends at %d, %d", e, end)
	}
	// What begins at the new start stays behind the epoch of the record before, also when nothing is left and the next epoch begins there.
	c.StartAt(20)
	c.Assign(6, 30)
	c.StartAt(30)
	c.Assign(7, 30)
	if want := []EpochStart{{5, 29}, {7, 30}}; !slices.Equal(c.Entries(), want) {
		t.Fatalf("after StartAt(30): %v, want %v", c.Entries(), want)
	}
	c = NewEpochs([]EpochStart{{2, 12}})
	if c.StartAt(12); c.At(11) != record.NoEpoch {
		t.Fatalf("a log that began at 12 knows an epoch before: %v", c.Entries())
	}
}

// TestRingAgainstList appends batches to a log and compares what the ring says with the list of all of them.
func TestRingAgainstList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog(ID{Partition: 1}, 0, 0, 0, 0, nil, nil)
		var all []record.Batch
		var places []Extent
		for range rapid.IntRange(1, 3*RingSize).Draw(t, "batches") {
			count := int32(rapid.IntRange(1, 4).Draw(t, "count"))
			b := record.Batch{LastOffsetDelta: count - 1, Count: count, Size: int32(rapid.IntRange(61, 200).Draw(t, "size"))}
			l.Append(&b, 0, RollLimits{Bytes: 1000}, 0)
			segments := l.Segments()
			active := segments[len(segments)-1]
			all = append(all, b)
			places = append(places, Extent{l.ID, active.Base, active.Size - Pos(b.Size), b.Size})
		}
		from := record.Offset(rapid.IntRange(0, int(l.Ends.Log)).Draw(t, "from"))
		limit := record.Offset(rapid.IntRange(0, int(l.Ends.Log)).Draw(t, "limit"))
		room := int64(rapid.IntRange(0, 3000).Draw(t, "room"))
		inRing := all[max(0, len(all)-RingSize):]
		if l.Ring.Covers(from) != (from >= inRing[0].BaseOffset) {
			t.Fatalf("Covers(%d) = %v with a ring from %d", from, l.Ring.Covers(from), inRing[0].BaseOffset)
		}
		if !l.Ring.Covers(from) {
			return
		}
		var want []Extent
		var bytes, sum int64
		full := false
		for i := range all {
			b := &all[i]
			if b.NextOffset() <= from || b.NextOffset() > limit {
				continue
			}
			bytes += int64(b.Size)
			if full = full || (sum > 0 && sum+int64(b.Size) > room); full {
				continue
			}
			sum += int64(b.Size)
			if k := len(want) - 1; k >= 0 && want[k].Base == places[i].Base {
				want[k].Len += b.Size
			} else {
				want = append(want, places[i])
			}
		}
		got, n := l.Ring.Extents(nil, l.ID, from, limit, room, true)
		if !slices.Equal(got, want) || n != sum {
			t.Fatalf("extents from %d below %d within %d: %v (%d bytes), want %v (%d)", from, limit, room, got, n, want, sum)
		}
		if got := l.Ring.Bytes(from, limit); got != bytes {
			// A limit inside a batch: Bytes stops before that batch, as Extents does.
			t.Fatalf("Bytes(%d, %d) = %d, want %d", from, limit, got, bytes)
		}
	})
}

func TestStaleGenerationIsIgnored(t *testing.T) {
	l := NewLog(ID{}, 0, 0, 0, 0, nil, nil)
	b := record.Batch{LastOffsetDelta: 4, Count: 5, Size: 100}
	l.Append(&b, 0, RollLimits{Bytes: 1000}, 0)
	old := l.Generation
	l.NewGeneration()
	if l.OnWritten(old, 5) || l.OnDurable(old, 5) || l.Written != 0 || l.Durable != 0 {
		t.Fatalf("a completion of generation %d moved the ends of generation %d: %+v", old, l.Generation, l.Ends)
	}
	if !l.OnDurable(l.Generation, 5) || l.Written != 5 {
		t.Fatalf("a sync did not move the ends: %+v", l.Ends)
	}
	if l.OnDurable(l.Generation, 6) {
		t.Fatal("a completion beyond the log end moved the durable end")
	}
}

func TestRollByRelativeOffset(t *testing.T) {
	l := NewLog(ID{}, 0, 0, 0, 0, nil, nil)
	limits := RollLimits{Bytes: 1 << 30}
	first := record.Batch{LastOffsetDelta: 1<<31 - 2, Count: 1, Size: 100}
	second := record.Batch{LastOffsetDelta: 0, Count: 1, Size: 100}
	third := record.Batch{LastOffsetDelta: 0, Count: 1, Size: 100}
	if !l.Append(&first, 0, limits, 0) || l.Append(&second, 0, limits, 0) || !l.Append(&third, 0, limits, 0) {
		t.Fatalf("segments %v: a relative offset above 2³¹−1 must begin a new one (KAFKA-6264)", l.Segments())
	}
}
