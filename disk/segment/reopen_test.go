package segment

import (
	"slices"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// A log is cut after a recovery that wrote a snapshot of what it had read: the file of epochs knows nothing of an epoch that began since the last checkpoint, and
// the Truncated tells of it all the same.
func TestTruncatedKnowsEpochsThatRecoveryRead(t *testing.T) {
	disk := simdisk.New()
	d, id := openDir(disk.Mount()), sid("a")
	at := func(base record.Offset, epoch record.Epoch) core.DiskOp {
		return core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: base, n: 1, pid: -1, epoch: epoch})}
	}
	state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 1, Start: 0}}}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}, at(0, 1), {Kind: core.DiskRoll, Stream: id, Base: 1, State: state}, at(1, 1),
		{Kind: core.DiskCheckpoint, Stream: id, State: state}})
	d.syncAll()
	d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: 2}})})
	d.writeAll([]core.DiskOp{at(2, 2), {Kind: core.DiskRoll, Stream: id, Base: 3}, at(3, 2), {Kind: core.DiskRoll, Stream: id, Base: 4}, at(4, 2)})
	disk.Crash()

	d = openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	want := []stream.EpochStart{{Epoch: 1, Start: 0}, {Epoch: 2, Start: 2}}
	if !slices.Equal(all[0].Epochs, want) {
		t.Fatalf("recovery finds %v, want %v", all[0].Epochs, want)
	}
	_, events := d.Write([]core.DiskOp{{Kind: core.DiskTruncate, Stream: id, To: 4}}, nil)
	if o := events[0].Opened; !slices.Equal(o.Epochs, want) {
		t.Fatalf("cut to 4 the log has the epochs %v, want %v", o.Epochs, want)
	}
}

// A cut goes by headers: a rotten one below it, which claims to hold the cut, or leads nowhere, is told of, and nothing is cut. Seed 2207 of cluster cut a log of 50 records to none.
func TestCutOfADamagedLog(t *testing.T) {
	for name, c := range map[string]struct {
		at   int // a byte of the first batch's header
		to   byte
		lost bool
	}{"whole": {0, 0, false}, "last offset delta": {23, 0x7f, true}, "magic": {16, 9, true}, "size": {8, 0x7f, true}, "base offset": {0, 0xff, true}, "max timestamp": {40, 0x55, false}} { // any order: each by itself
		disk := simdisk.New()
		d, id := openDir(disk.Mount()), sid("a")
		ops := []core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}}
		for base := range record.Offset(4) {
			ops = append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: base, n: 1, pid: -1, epoch: 1})})
		}
		d.writeAll(ops)
		d.syncAll()
		path := "orders-0/00000000000000000000.log"
		data, err := disk.Data(path)
		check(t, err)
		if name != "whole" {
			file, err := d.fs.Open(path)
			check(t, err)
			_, err = file.WriteAt([][]byte{{c.to}}, int64(c.at))
			check(t, err)
		}
		_, events := d.Write([]core.DiskOp{{Kind: core.DiskTruncate, Stream: id, To: 2, Generation: 7}}, nil)
		if len(events) != 1 || events[0].Kind != core.EvTruncated || events[0].Generation != 7 {
			t.Fatalf("%s: %+v", name, events)
		}
		o := events[0].Opened
		after, err := disk.Data(path)
		check(t, err)
		switch {
		case c.lost && (len(o.Lost) != 1 || o.Lost[0].From > 1 || o.Lost[0].To != 4 || o.LogEnd != 4 || len(after) != len(data)):
			t.Errorf("%s: %+v; %d bytes of %d", name, o, len(after), len(data))
		case !c.lost && (len(o.Lost) != 0 || o.LogEnd != 2 || len(after) >= len(data)):
			t.Errorf("%s: %+v; %d bytes of %d", name, o, len(after), len(data))
		}
	}
}
