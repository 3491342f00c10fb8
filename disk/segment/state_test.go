package segment

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// What a snapshot was given comes back, window and all; a flipped bit never does.
func TestSnapshotRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []producer.Entry
		for id := range rapid.IntRange(0, 5).Draw(t, "producers") {
			e := producer.Entry{ID: record.ProducerID(id), Epoch: int16(rapid.IntRange(0, 3).Draw(t, "epoch")), Count: int8(rapid.IntRange(0, 5).Draw(t, "batches"))}
			at, seq := record.Offset(rapid.IntRange(0, 1000).Draw(t, "offset")), rapid.Int32Range(0, 1<<31-1).Draw(t, "sequence")
			for i := range e.Count {
				n := rapid.Int32Range(1, 9).Draw(t, "records")
				e.Batches[i] = producer.Appended{FirstSequence: seq, LastSequence: record.AddSequence(seq, n-1), BaseOffset: at, LastOffset: at + record.Offset(n-1),
					Timestamp: record.UnixMillis(rapid.IntRange(0, 99).Draw(t, "time"))}
				at, seq = at+record.Offset(n), record.AddSequence(seq, n)
			}
			want = append(want, e)
		}
		text := FormatSnapshot(want)
		got, err := ParseSnapshot(text)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, want %v: %v", got, want, err)
		}
		bad := slices.Clone(text)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := ParseSnapshot(bad); err == nil {
			t.Fatalf("a flipped bit reads as %v", got)
		}
	})
}

func TestEpochsFile(t *testing.T) {
	want := []stream.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 4, Start: 70}}
	if got, err := parseEpochs(formatEpochs(want)); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "0\n", "1\n0\n", "0\n2\n0 0\n", "0\n1\n0 0", "0\n1\n0 x\n", "0\n2\n0 0\n0 5\n", "0\n2\n0 5\n1 5\n"} {
		if got, err := parseEpochs([]byte(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, got)
		}
	}
}

// A producer whose batches were all deleted is known after a power loss: the snapshot at the log's start is durable before the segments go.
func TestDeletedProducersAreKnown(t *testing.T) {
	for _, point := range []record.Offset{0, 3} {
		disk := simdisk.New()
		d := openDir(disk.Mount())
		id := sid("a")
		state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}, Producers: []producer.Entry{{ID: 7, Count: 1,
			Batches: [5]producer.Appended{{FirstSequence: 0, LastSequence: 1, BaseOffset: 0, LastOffset: 1, Timestamp: 1}}}}}
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 2, pid: 7})}, {Kind: core.DiskRoll, Stream: id, Base: 2, State: state},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 2, n: 1, pid: -1})}})
		if point > 0 {
			d.writeAll([]core.DiskOp{{Kind: core.DiskCheckpoint, Stream: id, State: state}})
			d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: point}})})
		} else {
			d.writeAll([]core.DiskOp{{Kind: core.DiskSync, Stream: id}})
		}
		d.syncAll()
		d.writeAll([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, To: 2}})
		disk.PowerLoss(func(int) int { return 0 })
		all, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		if o := all[0]; o.LogStart != 2 || len(o.Producers) != 1 || o.Producers[0].ID != 7 || o.Producers[0].Batches[0].LastSequence != 1 {
			t.Fatalf("point %d: %s", point, printOpened(o))
		}
	}
}

// Where the file of epochs is not good all is read, and who has no batch there any more is known from the snapshot at the log's start alone, however new others are.
func TestDeletedProducersWithoutEpochs(t *testing.T) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	id := sid("a")
	state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}, Producers: []producer.Entry{{ID: 7, Count: 1,
		Batches: [5]producer.Appended{{FirstSequence: 0, LastSequence: 1, BaseOffset: 0, LastOffset: 1, Timestamp: 1}}}}}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"},
		{Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 2, pid: 7})}, {Kind: core.DiskRoll, Stream: id, Base: 2, State: state},
		{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 2, n: 1, pid: -1})}, {Kind: core.DiskCheckpoint, Stream: id, State: state}})
	d.syncAll()
	d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: 3}})})
	d.writeAll([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, To: 2}})
	check(t, disk.Mount().Remove("orders-0/"+epochsFile))
	all, err := recoverAll(openDir(disk.Mount()))
	check(t, err)
	if o := all[0]; o.LogStart != 2 || o.LogEnd != 3 || len(o.Producers) != 1 || o.Producers[0].ID != 7 {
		t.Fatal(printOpened(o))
	}
}

// After a checkpoint recovery reads what came behind it and no more; after a last one that closes, next to nothing, and changes no file.
func TestRecoveryReadsFromThePoint(t *testing.T) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	id := sid("a")
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	next := record.Offset(0)
	put := func(n int) {
		for range n {
			d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: next, n: 1, pid: -1, pad: 1000, ts: record.UnixMillis(next)}), Sync: true}})
			next++
		}
		d.syncAll()
	}
	checkpoint := func(last bool) {
		d.writeAll([]core.DiskOp{{Kind: core.DiskCheckpoint, Stream: id, State: &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}}, Close: last}})
		if evs := d.syncAll(); len(evs) != 2 || evs[1].Kind != core.EvCheckpointed || evs[1].UpTo != next {
			t.Fatalf("checkpoint: %v", evs)
		}
		d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: next}})})
	}
	reopen := func() *core.Opened {
		disk.PowerLoss(func(int) int { return 0 })
		d = openDir(disk.Mount())
		all, err := recoverAll(d)
		check(t, err)
		check(t, checkIndexes(disk, d))
		if o := all[0]; o.LogEnd != next || len(o.Lost) > 0 {
			t.Fatal(printOpened(o))
		}
		return all[0]
	}
	put(20)
	d.writeAll([]core.DiskOp{{Kind: core.DiskRoll, Stream: id, Base: next, State: &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}}}})
	put(20)
	checkpoint(false)
	put(3)
	if o := reopen(); o.Scanned > 6000 || o.RecoveryPoint != 40 || o.Durable != 40 {
		t.Fatalf("%d bytes were read; %s", o.Scanned, printOpened(o))
	}
	put(2)
	checkpoint(true)
	reopen()
	ops := disk.Ops()
	before := disk.Before
	disk.Before = func(op simdisk.Op) error {
		switch op.Kind {
		case simdisk.OpWrite, simdisk.OpTruncate, simdisk.OpCreate, simdisk.OpRename:
			t.Errorf("recovery after a clean stop: %s %s", op.Kind, op.Path)
		}
		return nil
	}
	o := reopen()
	disk.Before = before
	if o.Scanned > 2200 || o.Durable != next || o.RecoveryPoint != next {
		t.Fatalf("%d bytes were read in %d operations; %s", o.Scanned, disk.Ops()-ops, printOpened(o))
	}
}

// A bad snapshot or file of epochs costs reading more, and nothing else.
func TestBadStateFiles(t *testing.T) {
	for _, name := range []string{"00000000000000000006.snapshot", "leader-epoch-checkpoint"} {
		disk := simdisk.New()
		d := openDir(disk.Mount())
		id := sid("a")
		state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}, Producers: []producer.Entry{{ID: 7, Count: 1,
			Batches: [5]producer.Appended{{LastSequence: 5, LastOffset: 5, Timestamp: 5}}}}}
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 6, pid: 7})},
			{Kind: core.DiskCheckpoint, Stream: id, State: state}})
		d.syncAll()
		d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: 6}})})
		good, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		f, err := disk.Mount().Open("orders-0/" + name)
		check(t, err)
		_, err = f.WriteAt([][]byte{{'x'}}, 3)
		check(t, err)
		bad, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		if g, b := good[0], bad[0]; g.RecoveryPoint != 6 || b.RecoveryPoint != 0 || !slices.Equal(g.Producers, b.Producers) || !slices.Equal(g.Epochs, b.Epochs) {
			t.Errorf("%s: %s; %s", name, printOpened(g), printOpened(b))
		}
	}
}

// A power loss that leaves the name of a snapshot without its bytes takes nothing from the producers: it is written anew, before the segments go of which it tells.
func TestTornSnapshotOfWhatGoes(t *testing.T) {
	for _, torn := range []string{"torn", "missing"} {
		disk := simdisk.New()
		d := openDir(disk.Mount())
		id := sid("a")
		state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 0, Start: 0}}, Producers: []producer.Entry{{ID: 7, Count: 1,
			Batches: [5]producer.Appended{{LastSequence: 1, LastOffset: 1, Timestamp: 1}}}}}
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 2, pid: 7})}, {Kind: core.DiskRoll, Stream: id, Base: 2, State: state},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 2, n: 1, pid: -1}), Sync: true}})
		d.syncAll()
		fs := disk.Mount()
		name := testFolder + "/" + snapshotName(2)
		if torn == "missing" {
			check(t, fs.Remove(name))
		} else {
			f, err := fs.Open(name)
			check(t, err)
			_, err = f.WriteAt([][]byte{make([]byte, 20)}, 0)
			check(t, err)
		}
		d = openDir(disk.Mount())
		all, err := recoverAll(d)
		check(t, err)
		d.writeAll([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, To: 2}})
		disk.PowerLoss(func(int) int { return 0 })
		all, err = recoverAll(openDir(disk.Mount()))
		check(t, err)
		if o := all[0]; o.LogStart != 2 || len(o.Producers) != 1 || o.Producers[0].ID != 7 {
			t.Errorf("%s: %s", torn, printOpened(o))
		}
	}
}

// An epoch that seems to begin with what was deleted counts only if the log's first batch is of it: rot can move its start there.
func TestEpochThatRotMovedBelowTheLogStart(t *testing.T) {
	for start, want := range map[string]record.Offset{"4": 6, "0": 0} { // any order: each for itself
		disk := simdisk.New()
		d := openDir(disk.Mount())
		id := sid("a")
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 2, pid: -1, epoch: 1})}, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 2, n: 2, pid: -1, epoch: 1})},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 4, n: 2, pid: -1, epoch: 3})},
			{Kind: core.DiskCheckpoint, Stream: id, State: &core.LogState{Epochs: []stream.EpochStart{{Epoch: 1, Start: 0}, {Epoch: 3, Start: 4}}}}})
		d.syncAll()
		for name, at := range map[string]record.Offset{core.RecoveryPointCheckpoint: 6, core.LogStartCheckpoint: 2} { // any order: two files
			d.Store(core.Store{Slot: core.Slot{Name: name}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: at}})})
		}
		f, err := disk.Mount().Open("orders-0/" + epochsFile)
		check(t, err)
		text := "0\n1\n3 " + start + "\n"
		if start == "4" {
			text = "0\n2\n1 0\n3 4\n"
		}
		check(t, f.Truncate(0))
		_, err = f.WriteAt([][]byte{[]byte(text)}, 0)
		check(t, err)
		all, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		if o := all[0]; o.RecoveryPoint != want || len(o.Epochs) != 2 || o.Epochs[0].Epoch != 1 || o.Epochs[1].Start != 4 {
			t.Errorf("epoch 3 from %s on: %s", start, printOpened(o))
		}
	}
}
