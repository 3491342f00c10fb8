package segment

import (
	"bytes"
	"encoding/binary"
	"path"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// filler is a log of kilobyte batches, each synced by itself, in a directory that fills its files by steps of 16 KiB.
type filler struct {
	t    *testing.T
	disk *simdisk.Disk
	dir  *Dir
	id   stream.ID
	next record.Offset
}

func newFiller(t *testing.T) *filler {
	f := &filler{t: t, disk: simdisk.New(), id: sid("a")}
	f.open()
	f.do(core.DiskOp{Kind: core.DiskCreate, Stream: f.id, Topic: "orders"})
	return f
}

func (f *filler) open() []*core.Opened {
	f.dir = OpenDirWith(f.disk.Mount(), 0, Options{IndexInterval: 400, IndexBytes: 8000, FillStep: 16 << 10})
	all, err := recoverAll(f.dir)
	check(f.t, err)
	return all
}

func (f *filler) do(ops ...core.DiskOp) {
	f.t.Helper()
	if done, _ := f.dir.Write(ops, nil); done < len(ops) || f.dir.Err() != nil {
		f.t.Fatalf("%d of %d done: %v", done, len(ops), f.dir.Err())
	}
	f.dir.syncAll()
}

// append adds n batches of so many bytes, each with a write of its own.
func (f *filler) append(n, bytes int, sync bool) {
	f.t.Helper()
	for range n {
		b := build(spec{base: f.next, n: 1, pid: -1, pad: bytes - 80})
		f.next = b.NextOffset()
		f.do(core.DiskOp{Kind: core.DiskAppend, Stream: f.id, Batch: b, Sync: sync})
	}
}

// lengths are those of the last segment: of its batches, and of its file.
func (f *filler) lengths() (batches, file int) {
	f.t.Helper()
	v, _ := f.dir.View(f.id)
	s := v.segment(v.count() - 1)
	data, err := f.disk.Data(v.path(s))
	check(f.t, err)
	if !zeros(data[s.size:]) {
		f.t.Fatalf("behind the last batch, at %d, there are other bytes than zeros", s.size)
	}
	return int(s.size), len(data)
}

// Small synced appends fill the file, in steps of a quarter of what it holds; appends behind find their bytes there. Nothing else fills it.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		name     string
		n, bytes int
		sync     bool
		least    int // zeros at some time
		most     int
	}{
		{"busy", 100, 1000, true, 15 << 10, 16 << 10},
		{"of little use", 3, 1000, true, 0, 0},
		{"a little more", 6, 1000, true, 1 << 10, 6000 / 4},
		{"large appends", 20, 5000, true, 0, 0},
		{"relaxed", 100, 1000, false, 0, 0},
	} {
		f, least := newFiller(t), 0
		grew := 0
		for range c.n {
			_, before := f.lengthsOrNone()
			f.append(1, c.bytes, c.sync)
			batches, file := f.lengths()
			least = max(least, file-batches)
			if file-batches > c.most {
				t.Errorf("%s: %d zeros behind %d bytes", c.name, file-batches, batches)
			}
			if file > before {
				grew++
			}
		}
		if least < c.least {
			t.Errorf("%s: at most %d zeros", c.name, least)
		}
		if c.name == "busy" && grew > 25 {
			t.Errorf("the file grew %d times in %d appends", grew, c.n)
		}
	}
}

func (f *filler) lengthsOrNone() (batches, file int) {
	if v, ok := f.dir.View(f.id); !ok || v.count() == 0 {
		return 0, 0
	}
	return f.lengths()
}

// A roll, a cut and a checkpoint that closes leave files as long as their batches, durably. So does the first sync after a recovery.
func TestFillIsCutOff(t *testing.T) {
	for name, end := range map[string]func(f *filler){ // any order: each for itself
		"roll": func(f *filler) {
			f.do(core.DiskOp{Kind: core.DiskRoll, Stream: f.id, Base: f.next, State: &core.LogState{}})
		},
		"close": func(f *filler) {
			f.do(core.DiskOp{Kind: core.DiskCheckpoint, Stream: f.id, State: &core.LogState{}, Close: true})
		},
		"cut": func(f *filler) { f.do(core.DiskOp{Kind: core.DiskTruncate, Stream: f.id, To: f.next}) },
		"crash": func(f *filler) {
			f.disk.Crash()
			f.open()
			f.do(core.DiskOp{Kind: core.DiskSync, Stream: f.id})
		},
		"crash after a recovery, all below the recovery point": func(f *filler) {
			check(t, f.dir.WriteSlot(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: 30}})}))
			for range 2 {
				f.disk.Crash()
				f.open()
			}
			f.dir.WantAll()
			f.dir.syncAll()
		},
	} {
		f := newFiller(t)
		f.append(30, 1000, true)
		batches, file := f.lengths()
		if file == batches {
			t.Fatal("no zeros")
		}
		end(f)
		f.disk.PowerLoss(func(int) int { return 0 }) // keeps nothing that was not synced
		data, err := f.disk.Data("orders-0/" + logName(0))
		check(t, err)
		if len(data) != batches {
			t.Errorf("%s: the file has %d bytes, its batches %d", name, len(data), batches)
		}
		all := f.open()
		if o := all[0]; o.LogEnd != 30 || len(o.Lost) > 0 || o.Cut != 0 {
			t.Errorf("%s: %s", name, printOpened(o))
		}
		f.append(30, 1000, true)
		if batches, file := f.lengths(); file == batches {
			t.Errorf("%s: no zeros afterwards", name)
		}
	}
}

// Recovery cuts zeros off and waits for no sync: they may come back, and say nothing then either. What an interrupted write left is cut durably.
func TestZerosAreCutWithoutASync(t *testing.T) {
	for _, torn := range []bool{false, true} {
		f, syncs := newFiller(t), 0
		f.append(30, 1000, true)
		batches, _ := f.lengths()
		f.disk.Crash()
		if torn {
			check(t, f.disk.Corrupt("orders-0/"+logName(0), int64(batches+100), []byte{1}))
		}
		f.disk.Before = func(op simdisk.Op) error {
			if op.Kind == simdisk.OpSyncData && path.Ext(op.Path) == logSuffix || op.Kind == simdisk.OpSyncAll {
				syncs++
			}
			return nil
		}
		for range 3 {
			before := syncs
			if o := f.open()[0]; o.LogEnd != 30 || len(o.Lost) > 0 || (o.Cut > 0) != torn || (syncs > before) != torn {
				t.Errorf("torn %v: %d syncs, %s", torn, syncs-before, printOpened(o))
			}
			if batches, file := f.lengths(); file != batches {
				t.Errorf("torn %v: the file has %d bytes, its batches %d", torn, file, batches)
			}
			f.disk.PowerLoss(func(int) int { return 0 })
			torn = false
		}
	}
}

// A disk that is full fails no append that fits, and the directory stands.
func TestFillMeetsAFullDisk(t *testing.T) {
	f, full := newFiller(t), 0
	f.append(8, 1000, true)
	f.disk.Full = func() { full++ }
	for i := range int64(400) {
		batches, file := f.lengths()
		f.disk.SetQuota(f.disk.Used() + max(0, 1000-int64(file-batches)) + i*37%4000) // an append, and a part of a step or all
		f.append(1, 1000, true)
		f.disk.SetQuota(-1)
	}
	if full < 10 {
		t.Errorf("the disk was full %d times", full)
	}
}

// Rot in the last batch is damage with zeros behind it as it is without, whichever bit of it turns: a length that ends within the zeros is no interrupted write.
func TestRotBeforeZeros(t *testing.T) {
	f := newFiller(t)
	f.append(30, 1000, true)
	batches, file := f.lengths()
	if file-batches < 4000 {
		t.Fatalf("%d zeros", file-batches)
	}
	f.disk.Crash()
	path := "orders-0/" + logName(0)
	data, err := f.disk.Data(path)
	check(t, err)
	size := 1 + batches/30
	first := bytes.LastIndex(data, binary.BigEndian.AppendUint64(nil, 29)[:8])
	if first < batches-size {
		t.Fatalf("the last batch is not at %d", first)
	}
	for at := first; at < batches; at++ {
		if at >= first+12 && at < first+16 { // the epoch: no CRC covers it
			continue
		}
		for bit := range 8 {
			if at > first+100 && bit != at%8 {
				continue
			}
			check(t, f.disk.Flip(path, int64(at), bit))
			all := f.open()
			if o := all[0]; len(o.Lost) != 1 || o.Lost[0].From != 29 || o.Cut != 0 {
				t.Errorf("bit %d of byte %d of the last batch: %s", bit, at-first, printOpened(o))
			}
			f.disk.Crash()
			v, _ := f.dir.View(f.id)
			for i := 1; i < v.count(); i++ {
				check(t, f.disk.Mount().Remove(v.path(v.segment(i))))
			}
			check(t, f.disk.Flip(path, int64(at), bit))
		}
	}
}

// What an interrupted write leaves before zeros is cut: some of the sectors of the last batch, or none.
func TestTornWriteBeforeZeros(t *testing.T) {
	for lost := range 4 {
		f := newFiller(t)
		f.append(30, 1000, true)
		batches, _ := f.lengths()
		f.disk.Crash()
		from, to := (batches-1000)/sector*sector+lost*sector, (batches-1000)/sector*sector+(lost+1)*sector
		from, to = max(from, batches-1000+20), min(to, batches)
		if from >= to {
			continue
		}
		check(t, f.disk.Corrupt("orders-0/"+logName(0), int64(from), make([]byte, to-from)))
		if o := f.open()[0]; o.LogEnd != 29 || len(o.Lost) > 0 || o.Cut < 900 || o.Cut > 1000+sector {
			t.Errorf("sector %d: %s", lost, printOpened(o))
		}
	}
}

// Of a last batch whose header says no more than its length no offset is given out again, and the zeros behind it count for none.
func TestOffsetsOfALostHeaderBeforeZeros(t *testing.T) {
	f := newFiller(t)
	f.append(30, 1000, true)
	b := build(spec{base: 30, n: 5, pid: -1})
	f.do(core.DiskOp{Kind: core.DiskAppend, Stream: f.id, Batch: b, Sync: true})
	batches, _ := f.lengths()
	f.disk.Crash()
	header := bytes.Repeat([]byte{0xff}, record.HeaderSize)
	clear(header[23:27]) // both of its counts say one
	clear(header[57:61])
	copy(header[8:12], b.Data[8:12])
	check(t, f.disk.Corrupt("orders-0/"+logName(0), int64(batches-len(b.Data)), header))
	if o := f.open()[0]; len(o.Lost) != 1 || o.Lost[0].From != 30 || o.LogEnd < 35 || o.LogEnd > 30+1000 {
		t.Error(printOpened(o))
	}
}

// A damaged batch whose value is a batch does not end there: the log goes on with the one behind it, the last before the zeros.
func TestBatchInAValueBeforeZeros(t *testing.T) {
	f := newFiller(t)
	f.append(30, 1000, true)
	batches, _ := f.lengths()
	f.disk.Crash()
	at := int64(batches / 30 * 28)
	inner := stamped(spec{base: 29, n: 4, pid: -1})
	check(t, f.disk.Corrupt("orders-0/"+logName(0), at+200, inner))
	check(t, f.disk.Corrupt("orders-0/"+logName(0), at+8, []byte{0x7f})) // and its length says nothing
	if o := f.open()[0]; len(o.Lost) != 1 || o.Lost[0].From != 28 || o.Lost[0].To != 29 || o.LogEnd != 30 {
		t.Error(printOpened(o))
	}
}

// A sector of zeros below the recovery point is damage; what is good behind it is there at the next start, too, which knows of no recovery point behind what is lost.
func TestZerosThatWereFoundAsDamage(t *testing.T) {
	var data []byte
	for i := range 10 {
		data = append(data, stamped(spec{base: record.Offset(i), n: 1, pid: -1, pad: 1000})...)
	}
	clear(data[7*sector : 8*sector])
	disk, dir := lay(t, []record.Offset{0}, [][]byte{data})
	check(t, disk.Mount().SyncAll())
	for _, point := range []record.Offset{10, 3} {
		check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: StreamsFile}, Bytes: []byte("odradek 1\n")}))
		check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: point}})}))
		all, err := recoverAll(dir)
		check(t, err)
		if o := all[0]; o.LogEnd != 10 || len(o.Lost) != 1 || o.Lost[0].From != 3 || o.Lost[0].To != 4 || o.Cut != 0 {
			t.Errorf("recovery point %d: %s", point, printOpened(o))
		}
		disk.PowerLoss(func(int) int { return 0 })
		dir = openDir(disk.Mount())
	}
}
