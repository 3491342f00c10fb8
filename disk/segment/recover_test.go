package segment

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// laid is a batch as it was before something happened to its file.
type laid struct {
	base, next record.Offset
	epoch      record.Epoch
	file, at   int
	data       []byte
}

const testFolder = "orders-0"

// lay writes files as they would lie after a crash and opens the directory.
func lay(t rapid.TB, bases []record.Offset, files [][]byte) (*simdisk.Disk, *Dir) {
	disk := simdisk.New()
	fs := disk.Mount()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(fs.Mkdir(testFolder))
	f, err := fs.Create(testFolder + "/" + metadataFile)
	must(err)
	_, err = f.WriteAt([][]byte{partitionMetadata(sid("a").Topic)}, 0)
	must(err)
	for i := range bases {
		f, err := fs.Create(testFolder + "/" + logName(bases[i]))
		must(err)
		_, err = f.WriteAt([][]byte{files[i]}, 0)
		must(err)
	}
	return disk, openDir(fs)
}

// drawLog draws segments of batches. Offsets are missing in places, as compaction leaves them: never in the last segment.
func drawLog(t *rapid.T, gaps bool) (bases []record.Offset, files [][]byte, all []laid) {
	next := record.Offset(rapid.IntRange(0, 3).Draw(t, "start"))
	epoch := record.Epoch(0)
	segments := rapid.IntRange(1, 3).Draw(t, "segments")
	for f := range segments {
		bases = append(bases, next)
		var file []byte
		n := rapid.IntRange(1, 8).Draw(t, "batches")
		for i := range n {
			if gaps && f+1 < segments && i+1 < n && rapid.IntRange(0, 4).Draw(t, "gap") == 0 {
				next += 2
			}
			epoch += record.Epoch(rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "epoch"))
			s := spec{
				base: next, n: rapid.IntRange(1, 5).Draw(t, "n"), epoch: epoch, ts: record.UnixMillis(rapid.IntRange(0, 50).Draw(t, "ts")),
				pid: record.ProducerID(rapid.IntRange(-1, 1).Draw(t, "pid")), pep: int16(rapid.IntRange(0, 1).Draw(t, "pep")),
				seq: rapid.Int32Range(0, 1<<31-1).Draw(t, "seq"), pad: rapid.SampledFrom([]int{0, 3, 2000, 2000}).Draw(t, "pad"),
			}
			if rapid.IntRange(0, 7).Draw(t, "control") == 0 {
				s.attr = record.AttrControl
			}
			data := stamped(s)
			all = append(all, laid{base: next, next: next + record.Offset(s.n), epoch: epoch, file: f, at: len(file), data: data})
			file = append(file, data...)
			next += record.Offset(s.n)
		}
		files = append(files, file)
	}
	return bases, files, all
}

// intact reports whether a batch still lies where it was written.
func (b *laid) intact(files [][]byte) bool {
	return b.file < len(files) && len(files[b.file]) >= b.at+len(b.data) && bytes.Equal(files[b.file][b.at:b.at+len(b.data)], b.data)
}

// Whatever happens to one place of a log, recovery serves every batch that is still there as it was, says of every other one that it is lost or that an
// interrupted write ended the log before it, and never gives one out that was not written. A second recovery says the same and cuts nothing.
func TestRecoveryOfTornAndDamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.Bool().Draw(t, "gaps")
		bases, files, all := drawLog(t, gaps)
		which := rapid.IntRange(0, len(files)-1).Draw(t, "file")
		at := rapid.IntRange(0, len(files[which])-1).Draw(t, "at")
		tear := rapid.SampledFrom([]string{"cut", "cut all", "garble", "zero", "flip", "none"}).Draw(t, "tear")
		if tear == "cut all" {
			which = len(files) - 1
			at %= len(files[which])
		}
		files[which] = slices.Clone(files[which])
		switch tear {
		case "cut":
			files[which] = files[which][:at]
		case "cut all":
			files[which] = files[which][:at]
		case "garble":
			copy(files[which][at:], rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "garble"))
		case "zero":
			clear(files[which][at:])
		case "flip":
			files[which][at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		_, dir := lay(t, bases, files)
		found, err := recoverAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := found[0]
		judge(t, o, files, all, which == len(files)-1, gaps, tear)
		checkState(t, o, files, all)
		again, err := recoverAll(openDir(dir.FS()))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := ranges(o), ranges(again[0]); again[0].Cut != 0 || again[0].LogEnd != o.LogEnd || !slices.Equal(a, b) {
			t.Fatalf("first recovery: %s; second: %s", printOpened(o), printOpened(again[0]))
		}
		readBack(t, dir, o, files, all)
	})
}

func ranges(o *core.Opened) []record.Offset {
	var out []record.Offset
	for _, x := range o.Lost {
		out = append(out, x.From, x.To)
	}
	return out
}

func isLost(o *core.Opened, offset record.Offset) bool {
	return slices.ContainsFunc(o.Lost, func(x core.OffsetRange) bool { return x.From <= offset && offset < x.To })
}

// judge compares what recovery says with what is in the files.
func judge(t *rapid.T, o *core.Opened, files [][]byte, all []laid, last, gaps bool, tear string) {
	for i := range all {
		b := &all[i]
		switch {
		case b.intact(files) && (isLost(o, b.base) || b.base >= o.LogEnd):
			hidden := slices.ContainsFunc(all, func(d laid) bool { return d.base < b.base && !d.intact(files) && zeroTail(&d, files) })
			hidden = hidden && b.base >= o.LogEnd
			// Of two batches whose epochs contradict each other either may be the one that is wrong.
			hidden = hidden || i+1 < len(all) && !all[i+1].intact(files) && sameRecords(&all[i+1], gaps, files)
			if tear == "none" || tear == "flip" && !hidden {
				t.Fatalf("batch %d is there: %s", b.base, printOpened(o))
			}
		case !b.intact(files) && b.base < o.LogEnd && !isLost(o, b.base) && !sameRecords(b, gaps, files):
			t.Fatalf("batch %d is not what it was: %s", b.base, printOpened(o))
		case !b.intact(files) && b.base >= o.LogEnd:
			if !last || tear == "none" || tear == "flip" && !zeroTail(b, files) {
				t.Fatalf("batch %d was cut: %s", b.base, printOpened(o))
			}
		}
	}
}

// sameRecords reports whether only a batch's epoch differs from what it was, upwards at the log's end, which nothing can tell. Where compaction has left gaps,
// nor can anything tell an offset that is wrong within one: no CRC covers it.
func sameRecords(b *laid, gaps bool, files [][]byte) bool {
	if b.file >= len(files) || len(files[b.file]) < b.at+len(b.data) {
		return false
	}
	p := slices.Clone(files[b.file][b.at : b.at+len(b.data)])
	copy(p[12:16], b.data[12:16])
	if gaps {
		copy(p[:8], b.data)
	}
	return bytes.Equal(p, b.data)
}

// zeroTail reports whether a sector's part of the batch is all zeros: then its rot looks like a lost write.
func zeroTail(b *laid, files [][]byte) bool {
	p := files[b.file]
	for at := b.at; at < min(len(p), b.at+len(b.data)); {
		end := min((at/sector+1)*sector, b.at+len(b.data), len(p))
		if zeros(p[at:end]) {
			return true
		}
		at = end
	}
	return false
}

// checkState compares epochs and producers with those of the batches that are served.
func checkState(t *rapid.T, o *core.Opened, files [][]byte, all []laid) {
	var epochs []stream.EpochStart
	producers := map[record.ProducerID][]producer.Appended{}
	pepochs := map[record.ProducerID]int16{}
	for i := range all {
		b := &all[i]
		if b.base >= o.LogEnd || isLost(o, b.base) {
			continue
		}
		p := files[b.file][b.at:]
		epoch, base := record.Epoch(binary.BigEndian.Uint32(p[12:])), record.Offset(binary.BigEndian.Uint64(p))
		if n := len(epochs); n == 0 || epochs[n-1].Epoch < epoch {
			epochs = append(epochs, stream.EpochStart{Epoch: epoch, Start: base})
		}
		pid, pep := record.ProducerID(binary.BigEndian.Uint64(p[43:])), int16(binary.BigEndian.Uint16(p[51:]))
		if old, ok := pepochs[pid]; pid < 0 || p[22]&0x20 != 0 || ok && old > pep {
			continue
		} else if ok && old < pep {
			producers[pid] = nil
		}
		seq := int32(binary.BigEndian.Uint32(p[53:]))
		pepochs[pid] = pep
		producers[pid] = append(producers[pid], producer.Appended{FirstSequence: seq, LastSequence: record.AddSequence(seq, int32(b.next-b.base-1)),
			BaseOffset: base, LastOffset: base + b.next - b.base - 1, Timestamp: record.UnixMillis(binary.BigEndian.Uint64(p[35:]))})
		producers[pid] = producers[pid][max(0, len(producers[pid])-5):]
	}
	if !slices.Equal(o.Epochs, epochs) {
		t.Fatalf("epochs %v, want %v; %s", o.Epochs, epochs, printOpened(o))
	}
	if len(o.Producers) != len(producers) {
		t.Fatalf("producers %v, want %v", o.Producers, producers)
	}
	for _, p := range o.Producers {
		if p.Epoch != pepochs[p.ID] || !slices.Equal(p.Batches[:p.Count], producers[p.ID]) {
			t.Fatalf("producer %v, want %d %v", p, pepochs[p.ID], producers[p.ID])
		}
	}
}

// readBack loads the log from an offset on, range by range, and compares with the batches that are served. Of a lost offset it says so.
func readBack(t *rapid.T, dir *Dir, o *core.Opened, files [][]byte, all []laid) {
	v, _ := dir.View(sid("a"))
	room := int64(rapid.IntRange(1, 9000).Draw(t, "room"))
	for i := range all {
		b := &all[i]
		if b.base >= o.LogEnd {
			continue
		}
		if isLost(o, b.base) {
			continue // the core does not ask
		}
		limit := o.LogEnd
		for _, x := range o.Lost {
			if x.From > b.base {
				limit = min(limit, x.From)
			}
		}
		at := b.base + record.Offset(rapid.IntRange(0, int(b.next-b.base-1)).Draw(t, "inside"))
		got := v.Locate(core.LocatePartition{From: at, Limit: limit, MaxBytes: int32(room)}, room, true, nil)
		if got.Err != 0 || len(got.Extents) == 0 {
			t.Fatalf("offset %d below %d: %s, %v; %s", at, limit, got.Err, got.Extents, printOpened(o))
		}
		x := got.Extents[0]
		if x.Base != o.Segments[slices.IndexFunc(o.Segments, func(s stream.Segment) bool { return s.Base == x.Base })].Base || int(x.Pos) != b.at {
			t.Fatalf("offset %d lies at %d, not %d", at, b.at, x.Pos)
		}
		file, _ := v.File(x.Base)
		p := make([]byte, x.Len)
		if _, err := file.ReadAt(p, int64(x.Pos)); err != nil {
			t.Fatal(err)
		}
		if err := checkAll(p); err != nil {
			t.Fatalf("offset %d: %v", at, err)
		}
	}
	if len(o.Lost) == 0 {
		var whole []byte
		for i := range all {
			if all[i].base < o.LogEnd {
				whole = append(whole, files[all[i].file][all[i].at:all[i].at+len(all[i].data)]...)
			}
		}
		byTime(t, &v, whole, o.LogEnd)
	}
}

// byTime looks a time up and compares with a walk over all records.
func byTime(t *rapid.T, v *View, all []byte, end record.Offset) {
	ts := record.UnixMillis(rapid.IntRange(0, 60).Draw(t, "time"))
	offset, stamp := record.NoOffset, record.NoTimestamp
	for p := all; len(p) > 0 && offset < 0; {
		b, _ := parseHeader(p, int64(len(p)))
		for i := range b.Count {
			if at := b.BaseTimestamp + record.UnixMillis(i); at >= ts && offset < 0 {
				offset, stamp = b.BaseOffset+record.Offset(i), at
			}
		}
		p = p[b.Size:]
	}
	got := v.Locate(core.LocatePartition{ByTime: true, Timestamp: ts, Limit: end}, 1, false, nil)
	if got.Err != 0 || got.Offset != offset || got.Timestamp != stamp {
		t.Fatalf("time %d: %s, offset %d at %d, want %d at %d", ts, got.Err, got.Offset, got.Timestamp, offset, stamp)
	}
}

// A batch longer than the scanner's window, and a view of one.
func TestLargeBatches(t *testing.T) {
	big := stamped(spec{base: 0, n: 3, pad: recoverChunk, pid: -1})
	tail := stamped(spec{base: 3, n: 1, pid: -1})
	files := [][]byte{append(slices.Clone(big), tail...)}
	_, dir := lay(t, []record.Offset{0}, files)
	all, err := recoverAll(dir)
	check(t, err)
	if all[0].LogEnd != 4 || all[0].Cut != 0 {
		t.Fatal(printOpened(all[0]))
	}
	files[0][2*recoverChunk] ^= 1
	_, dir = lay(t, []record.Offset{0}, files)
	all, err = recoverAll(dir)
	check(t, err)
	if o := all[0]; o.LogEnd != 4 || len(o.Lost) != 1 || o.Lost[0].To != 3 || !strings.Contains(o.Lost[0].Why, "offset 3") {
		t.Fatal(printOpened(all[0]))
	}
}

func TestOldFormatIsRefused(t *testing.T) {
	old := make([]byte, 40)
	binary.BigEndian.PutUint32(old[8:], 28)
	old[16] = 1
	binary.BigEndian.PutUint32(old[12:], crc32.ChecksumIEEE(old[16:]))
	files := [][]byte{append(stamped(spec{n: 1, pid: -1}), old...)}
	_, dir := lay(t, []record.Offset{0}, files)
	if _, err := recoverAll(dir); err == nil || !strings.Contains(err.Error(), "00000000000000000000.log at 68: a message of magic 0 or 1") {
		t.Fatalf("error %v", err)
	}
	files[0][len(files[0])-1] ^= 1 // not intact: then it is a torn tail like any other
	_, dir = lay(t, []record.Offset{0}, files)
	all, err := recoverAll(dir)
	check(t, err)
	if all[0].Cut != 40 {
		t.Fatal(printOpened(all[0]))
	}
}

// Any bytes: no panic, a second recovery finds what the first left, and readers give an answer.
func FuzzRecovery(f *testing.F) {
	one := stamped(spec{n: 2, pid: 7})
	f.Add(one, stamped(spec{base: 2, n: 1, pid: -1}), uint64(2))
	f.Add(append(slices.Clone(one), one[:30]...), []byte{}, uint64(2))
	f.Add(append(slices.Clone(one), make([]byte, 100)...), one, uint64(1))
	f.Fuzz(func(t *testing.T, first, second []byte, base uint64) {
		bases, files := []record.Offset{0}, [][]byte{first}
		if base > 0 && base < 1<<62 {
			bases, files = append(bases, record.Offset(base)), append(files, second)
		}
		_, dir := lay(t, bases, files)
		all, err := recoverAll(dir)
		if err != nil {
			return // the old format
		}
		o := all[0]
		again, err := recoverAll(openDir(dir.FS()))
		if err != nil || again[0].Cut != 0 || again[0].LogEnd != o.LogEnd || !slices.Equal(ranges(o), ranges(again[0])) {
			t.Fatalf("first recovery: %s; second: %v, %s", printOpened(o), err, printOpened(again[0]))
		}
		v, _ := dir.View(sid("a"))
		for from := range min(o.LogEnd, 50) {
			v.Load(from, 1000)
			v.Locate(core.LocatePartition{From: from, Limit: o.LogEnd, MaxBytes: 100}, 1000, from%2 == 0, nil)
			v.Locate(core.LocatePartition{ByTime: true, Timestamp: record.UnixMillis(from), Limit: o.LogEnd}, 1000, false, xorCodec{})
		}
	})
}

// Of batches that the recovery point covers headers are read, and of an index that is as long as it may become no more than its entries: not what lies between.
func TestRecoveryReadsHeadersBelowItsPoint(t *testing.T) {
	disk := simdisk.New()
	dir := OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 4096, IndexBytes: 10 << 20})
	id, batches := sid("a"), record.Offset(100)
	dir.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	for i := range batches { // of one timestamp all: the last entry of the time index is the first batch's
		dir.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: i, n: 1, ts: 1000, pid: -1, pad: 64 << 10}), Sync: true}})
		dir.syncAll()
	}
	dir.writeAll([]core.DiskOp{{Kind: core.DiskCheckpoint, Stream: id, State: &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}}}})
	dir.syncAll()
	check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: batches}})}))
	disk.Crash()

	read, reads := map[string]int64{}, 0
	disk.Reads = func(op simdisk.Op, _ []byte) {
		read[path.Ext(op.Path)] += op.Len
		reads++
	}
	all, err := recoverAll(OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 4096, IndexBytes: 10 << 20}))
	check(t, err)
	if o := all[0]; o.LogEnd != batches || len(o.Lost) > 0 || o.Scanned > 200<<10 {
		t.Fatalf("%d bytes scanned: %s", o.Scanned, printOpened(o))
	}
	if read[".log"] > 3*(64<<10)+int64(batches)*512 || read[".index"]+read[".timeindex"] > 4<<10 || reads > int(batches)+30 {
		t.Errorf("%d reads, of bytes %v", reads, read)
	}
}
