package segment

import (
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simdisk"
)

// TestLogStart: recovery begins a log where the checkpoint says, and goes on there if the tail that held that offset is lost; a checkpoint that cannot be read
// is an error, for without it deleted records would come back.
func TestLogStart(t *testing.T) {
	disk := simdisk.New()
	d := OpenDir(disk.Mount(), 0)
	id := sid("a")
	create := core.DiskOp{Kind: core.DiskCreate, Stream: id, Topic: "orders"}
	d.writeAll([]core.DiskOp{create, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{n: 3, pid: -1})}})
	put := func(offset record.Offset) {
		text := core.FormatCheckpoint([]core.CheckpointEntry{{Topic: "orders", Offset: offset}})
		if _, ok := d.Store(core.Store{Slot: core.Slot{Name: core.LogStartCheckpoint}, Bytes: text}); !ok {
			t.Fatal(d.Err())
		}
	}
	recovered := func() *core.Opened {
		d = OpenDir(disk.Mount(), 0)
		all, err := recoverAll(d)
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	put(2)
	if o := recovered(); o.LogStart != 2 || o.LogEnd != 3 || len(o.Segments) != 1 {
		t.Fatalf("inside: %s", printOpened(o))
	}
	put(5)
	for range 2 {
		if o := recovered(); o.LogStart != 5 || o.LogEnd != 5 || len(o.Segments) != 0 {
			t.Fatalf("beyond the end: %s", printOpened(o))
		}
	}
	if names, _ := disk.Mount().List("orders-0"); len(names) != 1 {
		t.Fatalf("files are left: %v", names)
	}
	d.writeAll([]core.DiskOp{{Kind: core.DiskRoll, Stream: id, Base: 5}, {Kind: core.DiskAppend, Stream: id, Batch: build(spec{base: 5, n: 1, pid: -1})}})
	if o := recovered(); o.LogStart != 5 || o.LogEnd != 6 || o.Segments[0].Base != 5 {
		t.Fatalf("after an append: %s", printOpened(o))
	}
	d.Store(core.Store{Slot: core.Slot{Name: core.LogStartCheckpoint}, Bytes: []byte("0\n1\n")})
	if _, err := recoverAll(OpenDir(disk.Mount(), 0)); err == nil {
		t.Fatal("a checkpoint that cannot be read is ignored")
	}
}

// TestCleanMark: a mark of a clean stop is gone, durably, before anything is written.
func TestCleanMark(t *testing.T) {
	disk := simdisk.New()
	fs := disk.Mount()
	if _, err := fs.Create(core.CleanMark); err != nil {
		t.Fatal(err)
	}
	if err := fs.SyncDir(""); err != nil {
		t.Fatal(err)
	}
	for _, there := range []bool{true, false} {
		if clean, epoch, err := OpenDir(disk.Mount(), 0).DropCleanMark(); err != nil || clean != there || epoch != -1 {
			t.Fatal(clean, epoch, err)
		}
	}
	for text, want := range map[string]int64{`{"version":0,"brokerEpoch":42}`: 42, `{ "brokerEpoch" : 42 }`: -1, `{"version":0, "brokerEpoch": 7, "x":1}`: 7, `{"brokerEpoch":-1}`: -1, "": -1} { // any order: each by itself
		if got := brokerEpoch([]byte(text)); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
	disk.PowerLoss(func(int) int { return 0 })
	if names, err := disk.Mount().List(""); err != nil || len(names) != 0 {
		t.Fatalf("after a power loss: %v, %v", names, err)
	}
}
