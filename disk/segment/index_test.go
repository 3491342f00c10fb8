package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
	"pgregory.net/rapid"
)

// rebuild makes the two indexes of a segment from its batches, as Kafka does when it recovers one.
func rebuild(base record.Offset, log []byte, o Options, closed bool) (offsets, times []byte) {
	maxTS, maxAt, lastTS, since := int64(-1), int64(base), int64(-1), int64(0)
	addTime := func(room int64) {
		if maxTS > lastTS && (room == 0 || int64(len(times))+12*room <= o.IndexBytes) {
			times = binary.BigEndian.AppendUint64(times, uint64(maxTS))
			times = binary.BigEndian.AppendUint32(times, uint32(maxAt-int64(base)))
			lastTS = maxTS
		}
	}
	for pos := int64(0); pos < int64(len(log)); {
		h := log[pos:]
		last := int64(binary.BigEndian.Uint64(h)) + int64(binary.BigEndian.Uint32(h[23:]))
		if ts := int64(binary.BigEndian.Uint64(h[35:])); ts > maxTS {
			maxTS, maxAt = ts, last
		}
		if since > o.IndexInterval && int64(len(offsets))+8 <= o.IndexBytes {
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(last-int64(base)))
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(pos))
			addTime(2)
			since = 0
		}
		size := int64(binary.BigEndian.Uint32(h[8:])) + 12
		since += size
		pos += size
	}
	if closed {
		addTime(0)
	}
	return offsets, times
}

// checkIndexes compares the index files of every segment with what a rebuild gives, and what the writer has in its hands with both. No index is there
// without its log.
func checkIndexes(disk *simdisk.Disk, d *Dir) error {
	for _, id := range d.Streams() {
		l := d.logs[id]
		for i := range l.segs {
			s := &l.segs[i]
			log, err := disk.Data(l.path(s.base))
			if err != nil {
				return err
			}
			grows := s.index.grows()
			final := len(s.index.times) > 0 && s.index.lastTime() == s.maxTS
			offsets, times := rebuild(s.base, log[:s.size], d.options, i < len(l.segs)-1 || final)
			if more, ok := besides(s, log[:s.size], times); ok {
				times = more
			}
			for _, f := range []struct {
				name string
				want []byte
				have []byte
				room int64
			}{{indexName(s.base), offsets, s.index.offsets, 8}, {timeIndexName(s.base), times, s.index.times, 12}} {
				want := f.want
				if grows {
					want = append(want, make([]byte, d.options.IndexBytes/f.room*f.room-int64(len(want)))...)
				}
				got, err := disk.Data(l.folder + "/" + f.name)
				if err != nil {
					return err
				}
				if !bytes.Equal(got, want) || !bytes.Equal(f.have, f.want) {
					return fmt.Errorf("%s/%s has %.99x, in hand %.99x, a rebuild gives %.99x", l.folder, f.name, bytes.TrimRight(got, "\x00"), f.have, f.want)
				}
			}
		}
		names, err := listQuietly(disk, l.folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			digits, suffix, _ := strings.Cut(name, ".")
			if !strings.HasSuffix(suffix, "index") {
				continue
			}
			base, _ := strconv.ParseInt(digits, 10, 64)
			if _, err := disk.Data(l.path(record.Offset(base))); err != nil {
				return fmt.Errorf("%s/%s has no log", l.folder, name)
			}
		}
	}
	return nil
}

// besides returns the time entries of a segment that was closed and goes on: those that a rebuild gives, and true ones between them from each close.
func besides(s *segment, log, rebuilt []byte) ([]byte, bool) {
	var out []byte
	for have := s.index.times; len(have) > 0; have = have[12:] {
		if len(rebuilt) > 0 && bytes.Equal(have[:12], rebuilt[:12]) {
			rebuilt = rebuilt[12:]
		} else if !isTrue(s.base, log, have[:12]) {
			return nil, false
		}
		out = append(out, have[:12]...)
	}
	return out, len(rebuilt) == 0
}

// isTrue reports whether the batch that a time entry names has its timestamp, and none before it one as large.
func isTrue(base record.Offset, log, entry []byte) bool {
	ts, at := record.UnixMillis(binary.BigEndian.Uint64(entry)), base+record.Offset(binary.BigEndian.Uint32(entry[8:]))
	for len(log) > 0 {
		b, _ := parseHeader(log, int64(len(log)))
		if b.LastOffset() == at {
			return b.MaxTimestamp == ts
		}
		if b.MaxTimestamp >= ts {
			return false
		}
		log = log[b.Size:]
	}
	return false
}

// listQuietly lists a folder without an operation that a hook sees.
func listQuietly(disk *simdisk.Disk, folder string) ([]string, error) {
	before := disk.Before
	disk.Before = nil
	defer func() { disk.Before = before }()
	return disk.Mount().List(folder)
}

// drawBatches draws operations of one stream: appends of any size and time, rolls, cuts.
func drawBatches(t *rapid.T, d *Dir, id stream.ID) {
	next, gen := record.Offset(0), stream.Generation(0)
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	for range rapid.IntRange(1, 60).Draw(t, "operations") {
		op := core.DiskOp{Kind: core.DiskAppend, Stream: id, Generation: gen}
		switch rapid.IntRange(0, 15).Draw(t, "kind") {
		case 0:
			op.Kind, op.Base = core.DiskRoll, next
		case 1:
			v, _ := d.View(id)
			if v.count() == 0 {
				continue
			}
			gen++
			op.Kind, op.Generation = core.DiskTruncate, gen
			op.To = record.Offset(rapid.Int64Range(int64(v.segment(0).base), int64(next)).Draw(t, "to"))
		default:
			next += record.Offset(rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(t, "gap"))
			op.Batch = build(spec{
				base: next, n: rapid.IntRange(1, 4).Draw(t, "n"), ts: record.UnixMillis(rapid.IntRange(0, 50).Draw(t, "ts")), pid: -1,
				pad: rapid.SampledFrom([]int{0, 10, 100, 300}).Draw(t, "pad"),
			})
			next = op.Batch.NextOffset()
		}
		for i, ev := range d.writeAll([]core.DiskOp{op}) {
			if ev.Kind == core.EvIOFailed {
				t.Fatal(i, ev.Reason)
			}
			if next = ev.UpTo; ev.Kind == core.EvTruncated {
				next = ev.Opened.LogEnd
			}
		}
		for _, c := range d.TakeChanges(nil) {
			for _, m := range c.Maps {
				if err := m.Unmap(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// What the indexes say, and what readers find by them, against a walk over all batches.
func TestIndexLookups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{IndexInterval: rapid.Int64Range(1, 900).Draw(t, "interval"), IndexBytes: rapid.SampledFrom([]int64{30, 101, 400, 5000}).Draw(t, "bytes")}
		disk := simdisk.New()
		d := OpenDirWith(disk.Mount(), 0, o)
		id := sid("a")
		drawBatches(t, d, id)
		if err := checkIndexes(disk, d); err != nil {
			t.Fatal(err)
		}
		v, _ := d.View(id)
		var all []byte
		for i := range v.count() {
			s := v.segment(i)
			log, _ := disk.Data(v.path(s))
			checkSearches(t, s, log[:s.size])
			all = append(all, log[:s.size]...)
		}
		byTime(t, &v, all, v.Next())
		if v.count() == 0 || len(all) == 0 {
			return
		}
		from := record.Offset(rapid.Int64Range(int64(v.segment(0).base), int64(v.Next())).Draw(t, "from"))
		for p := all; len(p) > 0; {
			b, _ := parseHeader(p, int64(len(p)))
			if b.LastOffset() >= from {
				if got := v.Load(from, 1); got.Err != 0 || !bytes.Equal(got.Bytes, p[:b.Size]) {
					t.Fatalf("load from %d: %s, %d bytes; want the batch at %d", from, got.Err, len(got.Bytes), b.BaseOffset)
				}
				break
			}
			p = p[b.Size:]
		}
	})
}

// checkSearches asks one segment's index for every offset, time and position.
func checkSearches(t *rapid.T, s *segment, log []byte) {
	starts := map[stream.Pos]record.Batch{}
	for pos := 0; pos < len(log); {
		b, _ := parseHeader(log[pos:], int64(len(log)-pos))
		starts[stream.Pos(pos)] = b
		pos += int(b.Size)
	}
	sc := newScanner(s.file, "", int64(s.size), readerChunk)
	position := func(pos stream.Pos, err error) stream.Pos {
		if err != nil {
			t.Fatal(err)
		}
		return pos
	}
	within := func(pos stream.Pos, limit record.Offset) (at stream.Pos) {
		if i := s.index.within(pos, limit); i >= 0 {
			_, at = s.index.entry(i)
		}
		return at
	}
	for pos, b := range starts {
		for offset := b.BaseOffset; offset <= b.LastOffset(); offset++ {
			got, want := position(s.before(sc, offset)), stream.Pos(0)
			for i := range s.index.count() {
				if last, at := s.index.entry(i); last <= offset {
					want = at
				}
			}
			if got != want || starts[got].Size == 0 || got > pos {
				t.Fatalf("offset %d lies at %d, the index says %d and should say %d", offset, pos, got, want)
			}
		}
		if at := within(stream.Pos(len(log)), b.BaseOffset); starts[at].Size == 0 || starts[at].BaseOffset > b.BaseOffset {
			t.Fatalf("within limit %d the index says %d", b.BaseOffset, at)
		}
		at := within(pos, b.BaseOffset)
		if known := starts[at]; known.Size == 0 || at > pos || known.BaseOffset > b.BaseOffset {
			t.Fatalf("at or before %d the index says %d", pos, at)
		}
	}
	for ts := record.UnixMillis(0); ts < 60; ts++ {
		from := position(s.index.byTime(sc, ts))
		if starts[from].Size == 0 && from > 0 {
			t.Fatalf("time %d: no batch starts at %d", ts, from)
		}
		if n := len(s.index.times) / timeEntry; from == 0 && n > 0 && ts > 0 {
			if last, at := s.index.timeEntry(n - 1); last < ts && position(s.before(sc, at)) > 0 {
				t.Fatalf("time %d: the index knows %d=%d and says 0", ts, last, at)
			}
		}
		for pos, b := range starts {
			if pos < from && b.MaxTimestamp >= ts {
				t.Fatalf("time %d is reached at %d, the index says %d", ts, pos, from)
			}
		}
	}
}

// A full disk fails a write, never a store to memory: each page of an index is written to before entries go there.
func TestClaimedBeforeStored(t *testing.T) {
	disk := simdisk.New()
	d := OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 1, IndexBytes: 3 * indexPage})
	id := sid("a")
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	for i := range record.Offset(1400) {
		b := build(spec{base: i, n: 1, pid: -1, ts: record.UnixMillis(i)})
		d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: b}})
		x := &d.logs[id].segs[0].index
		if int64(len(x.offsets)) > x.files.offsets.claimed || int64(len(x.times)) > x.files.times.claimed {
			t.Fatalf("%d and %d bytes stored, %d and %d claimed", len(x.offsets), len(x.times), x.files.offsets.claimed, x.files.times.claimed)
		}
	}
	if x := &d.logs[id].segs[0].index; len(x.offsets) < 2*indexPage || len(x.times) < 2*indexPage {
		t.Fatal("too few entries to tell")
	}
	if err := checkIndexes(disk, d); err != nil {
		t.Fatal(err)
	}
}

func TestIndexOnAFullDisk(t *testing.T) {
	disk := simdisk.New()
	d := OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 1, IndexBytes: 3 * indexPage})
	id := sid("a")
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	for i := record.Offset(0); i < 600 && d.Err() == nil; i++ {
		if i == 10 {
			disk.FailWrite("orders-0/00000000000000000000.index", 0)
		}
		d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: i, n: 1, pid: -1})}})
	}
	if d.Err() == nil {
		t.Fatal("the second page was never claimed")
	}
}

// A disk that fails when an index is finished at the end of a clean stop takes nothing from anybody: recovery makes the index anew.
func TestIndexUnfinishedAtTheEnd(t *testing.T) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	id := sid("a")
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 3, ts: 5, pid: -1})}})
	disk.FailWrite("orders-0/00000000000000000000.timeindex", 0)
	check(t, d.CloseFiles())
	disk.Crash()
	d = openDir(disk.Mount())
	_, err := recoverAll(d)
	check(t, err)
	check(t, checkIndexes(disk, d))
}
