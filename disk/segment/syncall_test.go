package segment

import (
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// A round over many files is one call, unless much would have to be written besides, and what it covers survives a power loss that keeps nothing else.
func TestWideRoundIsOneCall(t *testing.T) {
	disk := simdisk.New()
	d := OpenDirWith(disk.Mount(), 0, Options{IndexInterval: 400, IndexBytes: 8000, SyncAllAbove: 3})
	ids := make([]stream.ID, 5)
	var ends [5]record.Offset
	add := func(i int, sync bool, pad int) {
		b := build(spec{base: ends[i], n: 1, pid: -1, pad: pad})
		ends[i]++
		d.writeAll([]core.DiskOp{{Kind: core.DiskAppend, Stream: ids[i], Batch: b, Sync: sync}})
	}
	for i := range ids {
		ids[i] = stream.ID{Topic: record.UUID{9: byte(i + 1)}}
		d.writeAll([]core.DiskOp{{Kind: core.DiskCreate, Stream: ids[i], Topic: string(rune('a' + i))}})
		add(i, i < 4, 10)
	}
	rounds := func(want int) {
		t.Helper()
		r := d.BeginSync()
		if r.Steps() != want {
			t.Fatalf("a round over %d streams has %d steps, want %d", r.Streams(), r.Steps(), want)
		}
		r.Run()
		if events := d.EndSync(r, nil); len(events) != r.Streams() || events[0].Kind != core.EvDurable {
			t.Fatalf("%d events", len(events))
		}
	}
	rounds(1) // four files and their folders
	disk.PowerLoss(func(int) int { return 0 })
	d = OpenDirWith(disk.Mount(), 0, d.options)
	all, err := recoverAll(d)
	check(t, err)
	for i, o := range all {
		if o.LogEnd != 1 { // the relaxed one too: nothing is asked of it, but nothing is left out
			t.Errorf("stream %d ends at %d", i, o.LogEnd)
		}
	}
	d.WantAll()
	d.syncAll()
	for range 5 {
		add(4, false, 40_000)
	}
	for i := range 4 {
		add(i, true, 10)
	}
	rounds(4) // 200 KB of the fifth stream are more than the four are worth
	add(4, true, 10)
	rounds(1) // its one file
	for i := range 4 {
		add(i, true, 10)
	}
	rounds(1)
	for i := range 4 {
		add(i, true, 10)
	}
	disk.FailSync("")
	r := d.BeginSync()
	r.Run()
	if events := d.EndSync(r, nil); len(events) != 1 || events[0].Kind != core.EvIOFailed || d.Err() == nil {
		t.Fatalf("a SyncAll failed: %d events", len(events))
	}
}
