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
