package segment

import (
	"testing"

	"pgregory.net/rapid"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// TestCoreCountsIndexEntries drives a log of the core and the disk with the same batches, under limits of the log's own that change on the way, and compares after each batch what the
// core counts with what the index has. After a restart the core goes on from what recovery says. No index ever lacks a place.
func TestCoreCountsIndexEntries(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		draw := func() stream.RollLimits {
			return stream.RollLimits{Bytes: 1 << 20, Index: stream.IndexLimits{Interval: rapid.Int32Range(0, 900).Draw(t, "interval"),
				Bytes: rapid.SampledFrom([]int32{4, 30, 101, 400, 5000}).Draw(t, "bytes")}}
		}
		limits := draw()
		disk := simdisk.New()
		d := OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 250, IndexBytes: 800})
		id := stream.ID{Topic: record.UUID{9: 1}}
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "t"}})
		l := stream.NewLog(id, 0, 0, 0, 0, nil, nil)
		for range rapid.IntRange(1, 60).Draw(t, "batches") {
			b := build(spec{base: l.Ends.Log, n: rapid.IntRange(1, 3).Draw(t, "n"), pid: -1, pad: rapid.IntRange(0, 200).Draw(t, "pad"),
				ts: record.UnixMillis(rapid.IntRange(0, 50).Draw(t, "ts"))})
			var ops []core.DiskOp
			if rapid.IntRange(0, 9).Draw(t, "alter") == 0 {
				limits = draw() // for the next segment, or for one that has not grown since the start
			}
			bytes := int(l.Indexing().Bytes)
			if bytes == 0 {
				bytes = int(limits.Index.Bytes)
			}
			begins := d.logs[id].last() == nil || isFull(d.logs[id].last(), bytes)
			if rolled := l.Append(&b, 0, limits, 0); rolled != begins {
				t.Fatalf("the core rolls: %t, and the index is full or missing: %t", rolled, begins)
			} else if rolled {
				ops = append(ops, core.DiskOp{Kind: core.DiskRoll, Stream: id, Base: b.BaseOffset, Index: l.Indexing()})
			}
			d.writeAll(append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: b, Index: l.Indexing()}))
			segments, s := l.Segments(), d.logs[id].last()
			if got := s.index.state(); got != segments[len(segments)-1].Index || len(d.logs[id].segs) != len(segments) {
				t.Fatalf("the index has %+v, the core counts %+v; %d segments", got, segments[len(segments)-1].Index, len(segments))
			}
			if n := len(s.index.times); n > 0 && n+timeEntry > int(l.Indexing().Bytes) {
				t.Fatalf("%d bytes of times leave no place for the last", n)
			}
			for _, closed := range d.logs[id].segs[:len(segments)-1] { // without its final entry recovery would read it whole
				if closed.index.lastTime() != closed.maxTS {
					t.Fatalf("segment %d: the index knows times up to %d, its batches have %d", closed.base, closed.index.lastTime(), closed.maxTS)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				check(outer, d.CloseIndexes())
				disk.Crash()
				d = OpenDirWith(disk.Mount(), 0, d.options)
				all, err := recoverAll(d)
				check(outer, err)
				l = stream.NewLog(id, 0, 0, all[0].LogEnd, 0, all[0].Segments, nil)
			}
		}
	})
}

// isFull reports whether an index has no place for one entry more; the last place for a time is that of the final one.
func isFull(s *segment, bytes int) bool {
	return s.size > 0 && (len(s.index.offsets)+offsetEntry > bytes || len(s.index.times)+2*timeEntry > bytes)
}
