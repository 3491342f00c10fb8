package segment

import (
	"math/rand/v2"
	"slices"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simdisk"
)

// Two writes that no sync covered, of which the power loss kept the second: this is a torn tail. The same hole in a segment that has a successor is damage, since
// all of it was synced before the next began.
func TestHoleOfAnInterruptedWrite(t *testing.T) {
	one, two, three := stamped(spec{n: 1, pid: -1}), stamped(spec{base: 1, n: 1, pid: -1, pad: 900}), stamped(spec{base: 2, n: 1, pid: -1})
	lost := slices.Clone(two)
	clear(lost[512-len(one):])
	files := [][]byte{slices.Concat(one, lost, three), stamped(spec{base: 3, n: 1, pid: -1})}
	_, dir := lay(t, []record.Offset{0}, files[:1])
	all, err := recoverAll(dir)
	check(t, err)
	if all[0].LogEnd != 1 || all[0].Damage != "" || all[0].Cut != int64(len(two)+len(three)) {
		t.Fatal(printOpened(all[0]))
	}
	_, dir = lay(t, []record.Offset{0, 3}, files)
	all, err = recoverAll(dir)
	check(t, err)
	if o := all[0]; o.LogEnd != 4 || len(o.Lost) != 1 || o.Lost[0].From != 1 || o.Lost[0].To != 2 {
		t.Fatal(printOpened(all[0]))
	}
}

// Before a segment begins, all before it is durable: a power loss that keeps the new one whole cannot have taken anything of the old one.
func TestRollSealsWhatIsBefore(t *testing.T) {
	for seed := range uint64(50) {
		disk := simdisk.New()
		dir := openDir(disk.Mount())
		id := sid("a")
		appendOne := func(base record.Offset) core.DiskOp {
			b, err := record.ParseHeader(stamped(spec{base: base, n: 1, pid: -1}))
			check(t, err)
			return core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: b}
		}
		dir.Write([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}, appendOne(0), {Kind: core.DiskRoll, Stream: id, Base: 1}, appendOne(1),
			{Kind: core.DiskRoll, Stream: id, Base: 2}, appendOne(2)}, nil)
		disk.PowerLoss(rand.New(rand.NewPCG(seed, 1)).IntN)
		all, err := recoverAll(openDir(disk.Mount()))
		check(t, err)
		if o := all[0]; o.Damage != "" || o.LogStart != 0 || o.LogEnd < 2 {
			t.Fatalf("seed %d: %s", seed, printOpened(o))
		}
	}
}

// A sector that ends within the first bytes of a batch, behind its offset, and that was never written: all the CRC covers is there, and only the offset reads zero.
// This is an interrupted write. An offset that reads zero elsewhere is damage.
func TestOffsetOfAnInterruptedWrite(t *testing.T) {
	for _, c := range []struct {
		pad int // so that the second batch begins so far before a sector's end
		cut bool
	}{{sector - 9 - 70, true}, {sector - 30 - 70, false}} {
		one, two := stamped(spec{n: 1, pid: -1, pad: c.pad}), stamped(spec{base: 1, n: 1, pid: -1, pad: 700})
		lost := slices.Clone(two)
		clear(lost[:min(9, sector-len(one))])
		_, dir := lay(t, []record.Offset{0}, [][]byte{slices.Concat(one, lost)})
		all, err := recoverAll(dir)
		check(t, err)
		if o := all[0]; (o.Cut > 0) != c.cut || (len(o.Lost) > 0) == c.cut {
			t.Errorf("%d bytes before the sector's end: %s", sector-len(one), printOpened(o))
		}
	}
}

// What an interrupted write leaves is damage where everything was durable once: below the recovery point, and below the checkpointed high watermark.
func TestNothingIsCutBelowTheFloor(t *testing.T) {
	one := stamped(spec{n: 2, pid: -1})
	for _, file := range []string{core.RecoveryPointCheckpoint, core.HighWatermarkCheckpoint} {
		for _, left := range [][]byte{one, slices.Concat(one, make([]byte, 700)), slices.Concat(one, one[:40]), nil} {
			_, dir := lay(t, []record.Offset{0}, [][]byte{left})
			check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: StreamsFile}, Bytes: []byte("odradek 1\n")}))
			check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: file}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: 5}})}))
			all, err := recoverAll(dir)
			check(t, err)
			o := all[0]
			whole := record.Offset(min(len(left), 2)) // a file without its batch has lost that, too
			if o.Cut != 0 || o.LogEnd != 5 || len(o.Lost) != 1 || o.Lost[0].From != whole || o.Lost[0].To != 5 || o.Segments[len(o.Segments)-1].Base != 5 {
				t.Errorf("%s, %d bytes: %s", file, len(left), printOpened(o))
			}
		}
	}
}

// Deleted records need not have been durable, though the watermark, which is nowhere below the log start, says so: the torn end of a log that holds nothing else is cut, and no offset behind
// the start is lost for it. Below the recovery point, and before records that may not be deleted, nothing is cut.
func TestTornTailBelowTheLogStart(t *testing.T) {
	one := stamped(spec{n: 2, pid: -1})
	kept := stamped(spec{base: 5, n: 1, pid: -1})
	for _, c := range []struct {
		name  string
		tail  []byte
		point record.Offset
		cut   bool
		end   record.Offset
	}{
		{"zeros", make([]byte, 700), 0, true, 5},
		{"short", stamped(spec{base: 2, n: 3, pid: -1})[:70], 0, true, 5},
		{"zeros that were durable", make([]byte, 700), 5, false, 5},
		{"zeros before a batch behind the start", slices.Concat(make([]byte, 1024), kept), 0, false, 6},
	} {
		_, dir := lay(t, []record.Offset{0}, [][]byte{slices.Concat(one, c.tail)})
		check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: StreamsFile}, Bytes: []byte("odradek 1\n")}))
		for file, at := range map[string]record.Offset{core.LogStartCheckpoint: 5, core.HighWatermarkCheckpoint: 5, core.RecoveryPointCheckpoint: c.point} { // any order: three files
			check(t, dir.WriteSlot(core.Store{Slot: core.Slot{Name: file}, Bytes: core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: at}})}))
		}
		all, err := recoverAll(dir)
		check(t, err)
		o := all[0]
		want := int64(0)
		if c.cut && !zeros(c.tail) { // of nothing but zeros nothing is said: they may be a step of zeros
			want = int64(len(c.tail))
		}
		if o.LogStart != 5 || o.LogEnd != c.end || len(o.Lost) != 0 || o.Cut != want {
			t.Errorf("%s: %s", c.name, printOpened(o))
		}
	}
}
