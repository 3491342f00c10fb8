package segment

import (
	"bytes"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// TestEveryByteFlipped flips one bit of each byte of a closed 64 KiB segment and of the last one, which is as long. Whoever recovers it, whether from the recovery
// point behind it or from the log's start, gives every batch out as it was written, or says that it is lost or corrupt. Only the epoch in a header may be read
// as it stands: no CRC covers it, and no record is in it.
func TestEveryByteFlipped(t *testing.T) {
	const batches = 64
	step := max(1, 65536 / *thorough)
	for _, c := range []struct {
		name          string
		segment       record.Offset // of the segment that is damaged
		point, closed bool
	}{{"closed, below the recovery point", 0, true, false}, {"closed, read whole", 0, false, false},
		{"last, below the recovery point", 2 * batches, true, true}, {"last, read whole", 2 * batches, false, false}} {
		flips, corrupt, cut := 0, 0, 0
		for at := int64(0); ; at += int64(step) {
			disk, logged := twoSegments(t, batches, c.point)
			data, err := disk.Data("orders-0/" + logName(c.segment))
			check(t, err)
			if at >= int64(len(data)) {
				break
			}
			disk.Crash()
			check(t, disk.Flip("orders-0/"+logName(c.segment), at, int(at%8)))
			d := openDir(disk.Mount())
			all, err := recoverAll(d)
			if err != nil {
				t.Fatalf("%s: byte %d: %v", c.name, at, err)
			}
			flips++
			o, hurt, gone := all[0], 0, 0
			v, _ := d.View(sid("a"))
			for _, b := range logged {
				switch {
				case b.base >= o.LogEnd:
					gone++
				case isLost(o, b.base):
					hurt++
				default:
					got := v.Load(b.base, 1)
					if got.Err != 0 {
						hurt++
					} else if !sameBut(got.Bytes, b.data, 12, 16) {
						t.Fatalf("%s: byte %d: offset %d reads as something else; %s", c.name, at, b.base, printOpened(o))
					}
				}
			}
			if gone > 0 && (c.point || c.segment == 0 || gone > 1 || o.Cut == 0) {
				t.Fatalf("%s: byte %d: %d batches are gone; %s", c.name, at, gone, printOpened(o))
			}
			if hurt > 8 { // those that the index does not help to find again
				t.Fatalf("%s: byte %d: %d batches are lost; %s", c.name, at, hurt, printOpened(o))
			}
			corrupt, cut = corrupt+min(hurt, 1), cut+gone
		}
		t.Logf("%s: %d bytes flipped, %d times batches were lost or corrupt, %d times the last batch was cut as an interrupted write", c.name, flips, corrupt, cut)
	}
}

// sameBut compares all bytes but those from one place to another.
func sameBut(a, b []byte, from, to int) bool {
	return len(a) == len(b) && bytes.Equal(a[:from], b[:from]) && bytes.Equal(a[to:], b[to:])
}

// twoSegments makes a log of two segments of n batches of a kilobyte, with or without a recovery point at its end.
func twoSegments(t *testing.T, n int, point bool) (*simdisk.Disk, []laid) {
	disk := simdisk.New()
	d := openDir(disk.Mount())
	id := sid("a")
	state := &core.LogState{Epochs: []stream.EpochStart{{Epoch: 3, Start: 0}}}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	var logged []laid
	for i := range 2 * n {
		base := record.Offset(2 * i)
		if i == n {
			d.writeAll([]core.DiskOp{{Kind: core.DiskRoll, Stream: id, Base: base, State: state}})
		}
		b := build(spec{base: base, n: 2, epoch: 3, pid: -1, pad: 470, ts: record.UnixMillis(i)})
		logged = append(logged, laid{base: base, data: b.Data})
		d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: id, Batch: b}})
	}
	if point {
		d.writeAll([]core.DiskOp{{Kind: core.DiskCheckpoint, Stream: id, State: state, Close: true}})
		d.syncAll()
		d.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: record.Offset(4 * n)}})})
	}
	return disk, logged
}
