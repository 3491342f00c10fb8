package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
	"odradek/core/stream"
)

// files watches what a core has stored while its completions come in any order that the contract allows.
type files struct {
	t       *rapid.T
	n       *testNode
	durable map[string]record.Offset // highest Durable told of any stream of a topic's name and number
	closed  map[stream.ID]bool
	dirs    map[stream.ID]stream.DirID
	names   map[stream.ID]string
	failed  bool // the second directory: nothing of it completes any more
	stopped string
}

func (f *files) watch(fx *Effects) {
	for i := range fx.Disk {
		op := &fx.Disk[i]
		switch op.Kind {
		case DiskCreate:
			f.dirs[op.Stream], f.names[op.Stream] = op.Dir, fmt.Sprint(op.Topic, op.Stream.Partition)
			if f.failed && op.Dir == 1 {
				f.t.Fatalf("in a failed directory: %s", op.Append(nil))
			}
			f.mustNotName(op.Dir, fmt.Sprintf("%s %d ", op.Topic, op.Stream.Partition))
		case DiskAppend, DiskSync, DiskRoll:
			if f.closed[op.Stream] {
				f.t.Fatalf("after its last checkpoint: %s", op.Append(nil))
			}
		case DiskCheckpoint:
			f.closed[op.Stream] = op.Close
		}
	}
	for i := range fx.Stores {
		f.stored(&fx.Stores[i])
	}
	for i := range fx.Notes {
		if fx.Notes[i].Kind == NoteStopped {
			f.stopped = fx.Notes[i].Fields[0].Value
		}
	}
}

// mustNotName demands that no file of the directory has an entry of a partition that is made, on disk or on its way there.
func (f *files) mustNotName(dir stream.DirID, entry string) {
	for slot, text := range f.n.stores { // any order: all must hold
		if slot.Dir == dir && strings.Contains(text, "\n"+entry) {
			f.t.Fatalf("a partition is made while %s has its entry %q", slot.Name, entry)
		}
	}
}

func (f *files) stored(s *Store) {
	if f.failed && s.Slot.Dir == 1 {
		f.t.Fatalf("a Store in a failed directory: %s", s.Slot.Name)
	}
	f.drop()
	switch s.Slot.Name {
	case QuorumStateSlot.Name:
		return
	case CleanMark:
		for i := range f.n.waiting {
			k, id := f.n.waiting[i].Kind, f.n.waiting[i].Stream
			if _, here := f.n.core.replicas[id]; k == EvStored || k == EvCheckpointed && (here || id == stream.Metadata) { // of a partition that was deleted nothing is awaited
				f.t.Fatalf("the clean mark is stored before %s", f.n.waiting[i].Append(nil))
			}
		}
		return
	}
	for i := range f.n.waiting {
		if ev := &f.n.waiting[i]; ev.Kind == EvStored && ev.Slot == s.Slot {
			f.t.Fatalf("two Stores of %s are under way", s.Slot.Name)
		}
	}
	entries, err := ParseCheckpoint(s.Bytes)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		if key := fmt.Sprint(e.Topic, e.Partition); s.Slot.Name != LogStartCheckpoint && e.Offset > f.durable[key] {
			f.t.Fatalf("%s: %v, and no Durable was told beyond %d", s.Slot.Name, e, f.durable[key])
		}
	}
}

// drop forgets the completions that a failed directory does not tell.
func (f *files) drop() {
	f.n.waiting = slices.DeleteFunc(f.n.waiting, func(ev Event) bool {
		return f.failed && (ev.Kind == EvStored && ev.Slot.Dir == 1 || ev.Kind != EvStored && f.dirs[ev.Stream] == 1)
	})
}

// deliver tells the core the i-th of the completions that may come next.
func (f *files) deliver(i int) {
	f.drop()
	type lane struct {
		kind EventKind
		id   stream.ID
		slot Slot
	}
	seen := map[lane]bool{}
	var next []int
	for j := range f.n.waiting {
		ev := &f.n.waiting[j]
		if l := (lane{ev.Kind, ev.Stream, ev.Slot}); !seen[l] {
			seen[l] = true
			next = append(next, j)
		}
	}
	if len(next) == 0 {
		return
	}
	j := next[i%len(next)]
	ev := f.n.waiting[j]
	f.n.waiting = append(f.n.waiting[:j:j], f.n.waiting[j+1:]...)
	if ev.Kind == EvDurable || ev.Kind == EvCheckpointed {
		f.durable[f.names[ev.Stream]] = max(f.durable[f.names[ev.Stream]], ev.UpTo)
	}
	f.n.step(ev)
}

// Whatever is made, written and deleted, and in whatever order completions come: a partition is made only when no checkpoint file has an entry of its name,
// nothing is stored as durable that no Durable has told, one Store of a file is under way, and a stop marks last of all.
func TestCheckpointFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &testNode{held: map[string]bool{}, out: &strings.Builder{}}
		f := &files{t: t, n: n, durable: map[string]record.Offset{}, closed: map[stream.ID]bool{}, dirs: map[stream.ID]stream.DirID{}, names: map[stream.ID]string{}}
		n.watch = f.watch
		do := func(line string) { n.command(strings.Fields(line)) }
		do("boot dirs=2 log.flush.offset.checkpoint.interval.ms=300 replica.high.watermark.checkpoint.interval.ms=100")
		for _, kind := range []string{"written", "durable", "stored", "checkpointed"} {
			n.held[kind] = true
		}
		lines := []string{"create topic=a partitions=2", "create topic=b", "create topic=r flush.messages=100 flush.ms=200", "delete topic=a", "delete topic=b", "delete topic=r",
			"produce topic=a", "produce topic=a partition=1", "produce topic=b n=3 pid=7", "produce topic=r n=2", "deleterecords topic=b", "deleterecords topic=a",
			"timeout after-ms=100", "timeout after-ms=300", "timeout after-ms=300"}
		fails := rapid.IntRange(0, 400).Draw(t, "fails at")
		for i := range rapid.IntRange(1, 200).Draw(t, "commands") {
			if i == fails {
				f.failed = true
				do("fail dir=1")
			}
			do(rapid.SampledFrom(lines).Draw(t, "command"))
			for range rapid.IntRange(0, 6).Draw(t, "completions") {
				f.deliver(rapid.IntRange(0, 9).Draw(t, "which"))
			}
		}
		do("stop")
		for do("timeout after-ms=300"); len(n.waiting) > 0; do("timeout after-ms=1") {
			if !f.failed && rapid.IntRange(0, 20).Draw(t, "fails") == 0 {
				f.failed = true
				do("fail dir=1")
			}
			f.deliver(rapid.IntRange(0, 9).Draw(t, "which"))
			f.drop()
		}
		if f.stopped != "true" {
			t.Fatalf("stopped %q", f.stopped)
		}
		for _, id := range append(n.core.sortedReplicas(), stream.Metadata) {
			if !f.closed[id] && !(f.failed && f.dirs[id] == 1) {
				t.Fatalf("stopped, and %s has had no last checkpoint", id)
			}
		}
	})
}
