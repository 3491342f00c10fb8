package segment

import (
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simdisk"
)

// What is durable here need not be on other replicas: a log is committed up to the stored high watermark, wherever its recovery point is.
func TestRecoveryPointIsNotCommitted(t *testing.T) {
	for _, watermark := range []record.Offset{0, 1, 3} {
		disk := simdisk.New()
		d, id := openDir(disk.Mount()), sid("a")
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 1, pid: -1})},
			{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 1, n: 2, pid: -1})}, {Kind: core.DiskCheckpoint, Stream: id, State: &core.LogState{}}})
		d.syncAll()
		for name, at := range map[string]record.Offset{core.RecoveryPointCheckpoint: 3, core.HighWatermarkCheckpoint: watermark} { // any order: two files
			d.Store(core.Store{Slot: core.Slot{Name: name}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: at}})})
		}
		disk.PowerLoss(func(int) int { return 0 })
		all, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		if o := all[0]; o.HighWatermark != watermark || o.LogEnd != 3 || o.Durable != 3 {
			t.Errorf("stored %d: %s", watermark, printOpened(o))
		}
	}
}
