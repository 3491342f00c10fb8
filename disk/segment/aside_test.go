package segment

import (
	"slices"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simdisk"
)

// A log that is emptied for damage keeps the files of the damaged segments, of the last repair alone, and recovery takes them for no part of the log. They go with their topic.
func TestDamagedSegmentsStayAside(t *testing.T) {
	disk := simdisk.New()
	d, id := openDir(disk.Mount()), sid("a")
	fill := func(from record.Offset) {
		var ops []core.DiskOp
		for base := from; base < from+3; base++ {
			ops = append(ops, core.DiskOp{Kind: core.DiskRoll, Stream: id, Base: base},
				core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: base, n: 1, pid: -1, epoch: 1})})
		}
		d.writeAll(ops[1:])
	}
	empty := func(base record.Offset, aside ...core.OffsetRange) {
		_, events := d.Write([]core.DiskOp{{Kind: core.DiskTruncate, Stream: id, All: true, Base: base, Aside: aside}}, nil)
		if len(events) != 1 || events[0].Kind != core.EvTruncated {
			t.Fatalf("%+v", events)
		}
	}
	aside := func(want ...string) {
		t.Helper()
		names, err := d.fs.List("orders-0")
		check(t, err)
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, asideSuffix) })
		if !slices.Equal(names, want) {
			t.Fatalf("aside are %v, want %v", names, want)
		}
	}
	d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: id, Topic: "orders"}})
	fill(0)
	data, err := disk.Data("orders-0/00000000000000000001.log")
	check(t, err)
	empty(0, core.OffsetRange{From: 1, To: 2}, core.OffsetRange{From: 2, To: 3, Gap: true})
	aside("00000000000000000001.log.damaged")
	if kept, err := disk.Data("orders-0/00000000000000000001.log.damaged"); err != nil || !slices.Equal(kept, data) {
		t.Fatalf("what is kept is not what was there: %d bytes of %d, %v", len(kept), len(data), err)
	}
	fill(0)
	empty(0)
	aside("00000000000000000001.log.damaged")
	fill(0)
	empty(5, core.OffsetRange{From: 0, To: 1}, core.OffsetRange{From: 2, To: 3})
	aside("00000000000000000000.log.damaged", "00000000000000000002.log.damaged")

	d.syncAll()
	disk.Crash()
	d = openDir(disk.Mount())
	all, err := recoverAll(d)
	check(t, err)
	if len(all) != 1 || all[0].LogEnd != 5 || len(all[0].Lost) != 0 {
		t.Fatalf("recovery finds %+v", all[0])
	}
	aside("00000000000000000000.log.damaged", "00000000000000000002.log.damaged")
	d.writeAll([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, All: true}})
	if names, err := d.fs.List(""); err != nil || slices.Contains(names, "orders-0") {
		t.Fatalf("the topic is deleted, and there are %v, %v", names, err)
	}
}
