package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/disk/vfs"
	"odradek/sim/simdisk"
)

// snapshotBytes is a file in a snapshot's layout, with a data batch for each size.
func snapshotBytes(t *testing.T, last record.UnixMillis, sizes ...int) (file []byte) {
	var b record.Builder
	var next record.Offset
	batch := func(attributes record.Attributes, key, value []byte) {
		spec := record.PlainSpec(attributes)
		spec.BaseOffset = next
		b.Reset(spec)
		b.Append(1, key, value, nil)
		built, err := b.Build(nil)
		if err != nil {
			t.Fatal(err)
		}
		file, next = append(file, built.Data...), next+1
	}
	header, err := image.AppendControl(nil, &image.SnapshotHeader{LastContainedTimestamp: last})
	if err != nil {
		t.Fatal(err)
	}
	batch(record.AttrControl, record.AppendControlKey(nil, record.ControlSnapshotHeader), header)
	for _, size := range sizes {
		batch(0, nil, make([]byte, size))
	}
	return file
}

// TestSnapshotsAreListed: whole ones by rising end, with the age that their header says; what interrupted writes left goes; a folder that kafka-storage format
// made becomes a log's.
func TestSnapshotsAreListed(t *testing.T) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	if found, bootstrap, err := d.Snapshots(); len(found) > 0 || bootstrap || err != nil {
		t.Fatalf("of an empty directory: %v, %t, %v", found, bootstrap, err)
	}
	files := map[string][]byte{
		"00000000000000000012-0000000003.checkpoint": snapshotBytes(t, 77, 10), "00000000000000000007-0000000001.checkpoint": []byte("damaged"),
		"00000000000000000013-0000000003-123.checkpoint.part": nil, "00000000000000000002-0000000001.checkpoint.deleted": nil, "quorum-state": []byte("{}"),
		"00000000000000000014-0000000003.checkpoint.tmp": nil,
	}
	for name, text := range files { // any order: each is a file of its own
		if ev, _ := d.Store(core.Store{Slot: core.Slot{Name: core.SnapshotFolder + "/" + name}, Bytes: text}); ev.Kind != core.EvStored {
			t.Fatal(ev.Reason)
		}
	}
	if ev, _ := d.Store(core.Store{Slot: core.Slot{Name: core.BootstrapName}}); ev.Kind != core.EvStored {
		t.Fatal(ev.Reason)
	}
	found, bootstrap, err := d.Snapshots()
	if err != nil || !bootstrap || len(found) != 2 {
		t.Fatalf("%v, %t, %v", found, bootstrap, err)
	}
	whole := int64(len(files["00000000000000000012-0000000003.checkpoint"]))
	if found[0] != (core.Snapshot{End: 7, Epoch: 1, Bytes: 7, Last: record.NoTimestamp}) || found[1] != (core.Snapshot{End: 12, Epoch: 3, Bytes: whole, Last: 77}) {
		t.Errorf("found %+v", found)
	}
	names, err := d.fs.List(core.SnapshotFolder)
	if err != nil || len(names) != 4 { // two snapshots, quorum-state, partition.metadata
		t.Errorf("left %v, %v", names, err)
	}
	folders, err := d.Folders()
	if err != nil || len(folders) != 1 {
		t.Fatalf("folders %v, %v", folders, err)
	}
	log, _, err := d.Recover(folders[0], &Scratch{})
	if err != nil || log == nil {
		t.Fatalf("a folder with a snapshot alone: %v, %v", log, err)
	}
}

// TestLoadSlot: whole batches in pieces, a larger one by itself, nothing at the end; a file cut short comes up to its end.
func TestLoadSlot(t *testing.T) {
	d := openDir(simdisk.New().Mount())
	file := snapshotBytes(t, 1, 30_000, 30_000, 100_000, 5)
	slot := core.Slot{Name: "x.checkpoint"}
	for _, text := range [][]byte{file, file[:len(file)-3], file[:100_000]} {
		d.Store(core.Store{Slot: slot, Bytes: text})
		var read []byte
		for {
			ev := d.LoadSlot(&core.Job{ID: 4, Slot: slot, Pos: int64(len(read))})
			if ev.Kind != core.EvLoaded || ev.Job != 4 || ev.Loaded.Err != errcode.None {
				t.Fatalf("%+v", ev)
			}
			if len(ev.Loaded.Bytes) == 0 {
				break
			}
			if it := record.Batches(ev.Loaded.Bytes); len(ev.Loaded.Bytes) > core.LoadBytes && it.Next() && int(it.Batch.Size) < len(ev.Loaded.Bytes) {
				t.Fatalf("a piece of %d bytes holds more than one batch", len(ev.Loaded.Bytes))
			}
			read = append(read, ev.Loaded.Bytes...)
		}
		if !bytes.Equal(read, text) {
			t.Fatalf("%d bytes of %d were read", len(read), len(text))
		}
	}
	d.Store(core.Store{Slot: slot, Remove: true})
	d.Store(core.Store{Slot: slot, Remove: true}) // again: it is gone already
	if _, err := d.ReadSlot(slot.Name); !errors.Is(err, vfs.ErrNotExist) || d.Err() != nil {
		t.Errorf("after the removal: %v, %v", err, d.Err())
	}
	if ev := d.LoadSlot(&core.Job{Slot: slot}); ev.Loaded.Err == errcode.None {
		t.Error("a file that is gone was read")
	}
}

// A metadata folder that somebody copied without its partition.metadata gets one, and a power failure at any moment of that leaves a folder that opens.
func TestCopiedMetadataFolder(t *testing.T) {
	for at, seed := 1, 0; ; seed++ {
		if seed == 30 {
			at, seed = at+1, 0
		}
		disk := simdisk.New()
		fs := disk.Mount()
		check(t, fs.Mkdir(core.SnapshotFolder))
		for _, name := range []string{"00000000000000000009-0000000001.checkpoint", logName(9)} {
			file, err := fs.Create(core.SnapshotFolder + "/" + name)
			check(t, err)
			check(t, file.Close())
		}
		check(t, fs.SyncAll())
		rng, fired, before := rand.New(rand.NewPCG(uint64(at), uint64(seed))), false, disk.Ops()
		disk.Before = func(op simdisk.Op) error {
			if op.N == before+at {
				fired = true
				disk.PowerLoss(rng.IntN)
			}
			return nil
		}
		_, _, err := openDir(disk.Mount()).Snapshots()
		if !fired {
			check(t, err)
			return
		}
		disk.Before = nil
		d := openDir(disk.Mount())
		if _, _, err := d.Snapshots(); err != nil {
			t.Fatalf("power lost at operation %d: %v", at, err)
		}
		if _, err := recoverAll(d); err != nil {
			t.Fatalf("power lost at operation %d: %v", at, err)
		}
	}
}
