package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
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

// naive is a second implementation of recovery, over whole files in memory and with other means: it looks for the longest valid prefix.
type naive struct {
	next      record.Offset
	sizes     []int // of each segment
	epochs    []stream.EpochStart
	producers map[record.ProducerID][]producer.Appended
	pepochs   map[record.ProducerID]int16
	left      []byte // what lies behind the prefix, of all files
	torn      bool   // left is what an interrupted write leaves: it may be cut
}

func recoverNaively(bases []record.Offset, files [][]byte) naive {
	n := naive{next: bases[0], producers: map[record.ProducerID][]producer.Appended{}, pepochs: map[record.ProducerID]int16{}}
	epoch := record.Epoch(-1)
	for i, p := range files {
		if bases[i] != n.next {
			n.left = bytes.Join(files[i:], nil)
			return n
		}
		n.sizes = append(n.sizes, 0)
		for len(p) > 0 {
			var size, delta, count int32
			var base int64
			var e record.Epoch
			ok := len(p) >= 61
			if ok {
				r := bytes.NewReader(p)
				var magic int8
				var crc uint32
				for _, v := range []any{&base, &size, &e, &magic, &crc} {
					binary.Read(r, binary.BigEndian, v)
				}
				ok = size >= 49 && int(size)+12 <= len(p) && magic == 2 && base >= int64(n.next) && e >= epoch
				ok = ok && crc32.Checksum(p[21:size+12], crc32.MakeTable(crc32.Castagnoli)) == crc
				binary.Read(bytes.NewReader(p[23:]), binary.BigEndian, &delta)
				binary.Read(bytes.NewReader(p[57:]), binary.BigEndian, &count)
				ok = ok && delta >= 0 && count >= 0 && base < 1<<62 && base+int64(delta)-int64(bases[i]) <= 1<<31-1
			}
			if !ok {
				n.left = bytes.Join(append([][]byte{p}, files[i+1:]...), nil)
				n.torn = i == len(files)-1 && neverWritten(p, n.sizes[i], n.next)
				return n
			}
			n.take(p[:size+12], record.Offset(base), delta, e, &epoch)
			p = p[size+12:]
			n.sizes[i] += int(size) + 12
		}
	}
	return n
}

// neverWritten reports whether p, from byte at of the last file on, is what an interrupted write leaves: no valid batch lies in it, or before the first one
// there is a run of zeros from a sector's start, or from p's, to a sector's end, or to that batch.
func neverWritten(p []byte, at int, next record.Offset) bool {
	valid := 0
	for valid < len(p) && !holdsValid(p[valid:], next, true) {
		valid++
	}
	if valid >= len(p) {
		return true
	}
	zeros := 0
	for i, c := range p[:valid] {
		if (at+i)%512 == 0 {
			zeros = 0
		}
		if c == 0 && zeros >= 0 {
			zeros++
		} else {
			zeros = -1 << 20
		}
		if zeros > 0 && ((at+i+1)%512 == 0 || i+1 == valid) {
			return true
		}
	}
	return false
}

func (n *naive) take(p []byte, base record.Offset, delta int32, e record.Epoch, epoch *record.Epoch) {
	if e != *epoch {
		n.epochs = append(n.epochs, stream.EpochStart{Epoch: e, Start: base})
		*epoch = e
	}
	n.next = base + record.Offset(delta) + 1
	pid := record.ProducerID(binary.BigEndian.Uint64(p[43:]))
	pep := int16(binary.BigEndian.Uint16(p[51:]))
	seq := int32(binary.BigEndian.Uint32(p[53:]))
	if pid < 0 || p[22]&0x20 != 0 {
		return
	}
	if old, ok := n.pepochs[pid]; ok && old > pep {
		return
	} else if ok && old < pep {
		n.producers[pid] = nil
	}
	n.pepochs[pid] = pep
	a := producer.Appended{
		FirstSequence: seq, LastSequence: int32(uint32(seq+delta) & 0x7fffffff), BaseOffset: base, LastOffset: n.next - 1,
		Timestamp: record.UnixMillis(binary.BigEndian.Uint64(p[35:])),
	}
	n.producers[pid] = append(n.producers[pid], a)
	if all := n.producers[pid]; len(all) > 5 {
		n.producers[pid] = all[len(all)-5:]
	}
}

// diff compares what recovery found with n; "" if they agree.
func (n *naive) diff(o *core.Opened) string {
	if o.LogEnd != n.next {
		return fmt.Sprintf("log end %d, want %d", o.LogEnd, n.next)
	}
	if !slices.Equal(o.Epochs, n.epochs) {
		return fmt.Sprintf("epochs %v, want %v", o.Epochs, n.epochs)
	}
	for i, s := range o.Segments {
		if i >= len(n.sizes) || int(s.Size) != n.sizes[i] {
			return fmt.Sprintf("segments %v, want sizes %v", o.Segments, n.sizes)
		}
	}
	if len(o.Segments) < len(n.sizes) {
		return fmt.Sprintf("segments %v, want sizes %v", o.Segments, n.sizes)
	}
	if len(o.Producers) != len(n.producers) {
		return fmt.Sprintf("producers %v, want %v", o.Producers, n.producers)
	}
	for _, p := range o.Producers {
		if p.Epoch != n.pepochs[p.ID] || !slices.Equal(p.Batches[:p.Count], n.producers[p.ID]) {
			return fmt.Sprintf("producer %v, want %d %v", p, n.pepochs[p.ID], n.producers[p.ID])
		}
	}
	return ""
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

// drawLog draws segments of batches.
func drawLog(t *rapid.T) (bases []record.Offset, files [][]byte) {
	next := record.Offset(rapid.IntRange(0, 3).Draw(t, "start"))
	epoch := record.Epoch(0)
	for range rapid.IntRange(1, 3).Draw(t, "segments") {
		bases = append(bases, next)
		var file []byte
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			if rapid.IntRange(0, 4).Draw(t, "gap") == 0 {
				next += 2 // offsets missing inside a segment
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
			file = append(file, stamped(s)...)
			next += record.Offset(s.n)
		}
		files = append(files, file)
	}
	return bases, files
}

// Whatever the tail looks like, recovery finds the longest valid prefix, and a second recovery finds the same with nothing left to cut. It cuts only what an
// interrupted write leaves.
func TestRecoveryOfTornTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bases, files := drawLog(t)
		which := rapid.IntRange(0, len(files)-1).Draw(t, "file")
		at := rapid.IntRange(0, len(files[which])-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"cut", "cut all", "garble", "zero", "flip", "none"}).Draw(t, "tear") {
		case "cut":
			files[which] = files[which][:at]
		case "cut all":
			files[which] = files[which][:at]
			bases, files = bases[:which+1], files[:which+1]
		case "garble":
			copy(files[which][at:], rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "garble"))
		case "zero":
			clear(files[which][at:])
		case "flip":
			files[which][at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		want := recoverNaively(bases, files)
		_, dir := lay(t, bases, files)
		all, err := recoverAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := all[0]
		if d := want.diff(o); d != "" {
			t.Fatal(d)
		}
		damaged := len(want.left) > 0 && !want.torn
		if (o.Damage != "") != damaged {
			t.Fatalf("damage %q, want %v", o.Damage, damaged)
		}
		if o.Damage == "" && o.Cut != int64(len(want.left)) {
			t.Fatalf("cut %d bytes, want %d", o.Cut, len(want.left))
		}
		if damaged { // the core accepts the loss
			dir.writeAll([]core.DiskOp{{Kind: core.DiskTruncate, Stream: sid("a"), To: o.LogEnd}})
		}
		again, err := recoverAll(openDir(dir.FS()))
		if err != nil {
			t.Fatal(err)
		}
		if d := want.diff(again[0]); d != "" || again[0].Cut != 0 || again[0].Damage != "" {
			t.Fatalf("second recovery: %s; %s", d, printOpened(again[0]))
		}
		readBack(t, dir, bases, files, &want)
	})
}

// holdsValid looks for a whole batch at each byte, or only at the first, by CRC alone and offsets that go on.
func holdsValid(p []byte, next record.Offset, first bool) bool {
	for at := 0; at+61 <= len(p) && (at == 0 || !first); at++ {
		q := p[at:]
		size := int64(int32(binary.BigEndian.Uint32(q[8:]))) + 12
		if q[16] == 2 && size >= 61 && size <= int64(len(q)) && record.Offset(binary.BigEndian.Uint64(q)) >= next &&
			binary.BigEndian.Uint64(q) <= 1<<63-1<<31-1 && int32(binary.BigEndian.Uint32(q[23:])) >= 0 && int32(binary.BigEndian.Uint32(q[57:])) >= 0 &&
			crc32.Checksum(q[21:size], crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(q[17:]) {
			return true
		}
	}
	return false
}

// readBack loads the log batch by batch from each offset on and compares with the files.
func readBack(t *rapid.T, dir *Dir, bases []record.Offset, files [][]byte, want *naive) {
	v, _ := dir.View(sid("a"))
	var all []byte
	for i := range want.sizes {
		all = append(all, files[i][:want.sizes[i]]...)
	}
	from := bases[0] + record.Offset(rapid.IntRange(0, int(want.next-bases[0])).Draw(t, "from"))
	skip := 0
	for skip < len(all) {
		b, _ := parseHeader(all[skip:], int64(len(all)-skip))
		if b.LastOffset() >= from {
			break
		}
		skip += int(b.Size)
	}
	var got []byte
	room := int64(rapid.IntRange(1, 9000).Draw(t, "room"))
	for {
		l := v.Load(from, room)
		if l.Err != 0 {
			t.Fatalf("load from %d: %s", from, l.Err)
		}
		if len(l.Bytes) == 0 {
			break
		}
		got = append(got, l.Bytes...)
		for p := l.Bytes; len(p) > 0; {
			b, _ := parseHeader(p, int64(len(p)))
			if int64(len(l.Bytes)) > room && int(b.Size) != len(l.Bytes) {
				t.Fatalf("%d bytes for room %d", len(l.Bytes), room)
			}
			from, p = b.NextOffset(), p[b.Size:]
		}
	}
	byTime(t, &v, all, want.next)
	if !bytes.Equal(got, all[skip:]) {
		t.Fatalf("loads brought %d bytes, want %d", len(got), len(all)-skip)
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
	if all[0].LogEnd != 0 || !strings.Contains(all[0].Damage, "offset 3") {
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

// Any bytes: no panic, the same as the naive implementation, and readers give an answer.
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
		want := recoverNaively(bases, files)
		if d := want.diff(all[0]); d != "" {
			t.Fatal(d)
		}
		v, _ := dir.View(sid("a"))
		for from := range min(want.next, 50) {
			v.Load(from, 1000)
			v.Locate(core.LocatePartition{From: from, Limit: want.next, MaxBytes: 100}, 1000, from%2 == 0, nil)
			v.Locate(core.LocatePartition{ByTime: true, Timestamp: record.UnixMillis(from), Limit: want.next}, 1000, false, xorCodec{})
		}
	})
}
