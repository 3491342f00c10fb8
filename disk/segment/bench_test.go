package segment

import (
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/vfs/osfs"
)

// BenchmarkRecovery reads a log of 256 MiB whole, from the page cache.
func BenchmarkRecovery(b *testing.B) {
	for _, c := range []struct {
		name string
		pad  int
	}{{"64KiB", 64 << 10}, {"1KiB", 1 << 10}, {"100B", 100}} {
		b.Run(c.name, func(b *testing.B) {
			fs := osfs.New(b.TempDir())
			d := OpenDir(fs, 0)
			id := sid("a")
			d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
			size, next := int64(0), record.Offset(0)
			for size < 256<<20 {
				var ops []core.DiskOp
				for range 64 {
					batch := build(spec{base: next, n: 1, pid: -1, pad: c.pad, ts: 1})
					ops = append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: batch})
					next, size = batch.NextOffset(), size+int64(batch.Size)
				}
				d.writeAll(ops)
			}
			b.SetBytes(size)
			for b.Loop() {
				d := OpenDir(fs, 0)
				all, err := recoverAll(d)
				if err != nil || all[0].LogEnd != next {
					b.Fatal(err)
				}
				_ = d.CloseFiles()
			}
		})
	}
}
