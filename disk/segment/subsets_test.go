package segment

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simdisk"
)

// thorough bounds what the exhaustive tests of this package look at: crashes at one place, and bytes flipped. scripts/exhaustive sets it.
var thorough = flag.Int("thorough", 200, "crashes at one place; one byte in 65536/thorough is flipped")

// odometer makes choices so that every combination of them comes up once: each run follows the last one up to the last choice that can still be raised.
type odometer struct {
	digits, limits []int
	at             int
}

// choose answers a simulated power loss. Every pending operation is kept or lost; a write that is lost may leave some of its sectors (torn).
func (o *odometer) choose(torn bool) func(n int) int {
	return func(n int) int {
		switch {
		case n == 9:
			return 4 // keepSome keeps what draws less from 8
		case n == 8:
			return 7 * o.next()
		case n == 4 && !torn:
			return 1
		}
		return o.next()
	}
}

func (o *odometer) next() int {
	if o.at == len(o.digits) {
		o.digits, o.limits = append(o.digits, 0), append(o.limits, 2)
	}
	o.at++
	return o.digits[o.at-1]
}

// turn goes on to the next combination; false if there is none.
func (o *odometer) turn() bool {
	o.digits = o.digits[:o.at]
	o.limits, o.at = o.limits[:len(o.digits)], 0
	for n := len(o.digits); n > 0; n-- {
		if o.digits[n-1]++; o.digits[n-1] < o.limits[n-1] {
			return true
		}
		o.digits, o.limits = o.digits[:n-1], o.limits[:n-1]
	}
	return false
}

// scene is a story whose every crash is looked at. Its first part is whole and durable when the second begins.
type scene struct {
	name         string
	before, then func(w *world) bool
}

func (w *world) make(topic string) bool {
	w.made++
	m := &model{id: sid(string(rune('a' + w.made))), topic: topic}
	w.models = append(w.models, m)
	m.created = w.write(core.DiskOp{Kind: core.DiskCreate, Stream: m.id, Topic: topic})
	return m.created
}

// put appends batches of a producer to the first stream.
func (w *world) put(n int, sync bool) bool {
	m := w.models[0]
	for range n {
		b := build(spec{base: m.next(), n: 2, epoch: w.epoch, pid: 5, seq: int32(m.next()), pad: 150, ts: record.UnixMillis(m.next())})
		m.batches = append(m.batches, modelBatch{base: b.BaseOffset, next: b.NextOffset(), data: b.Data})
		if !w.write(core.DiskOp{Kind: core.DiskAppend, Stream: m.id, Generation: m.gen, Batch: b, Sync: sync}) {
			return false
		}
	}
	return true
}

func (w *world) sync() bool {
	if r := w.dir.BeginSync(); r != nil {
		r.Run()
		w.take(w.dir.EndSync(r, nil))
	}
	return w.dir.Err() == nil
}

func (w *world) roll() bool {
	m := w.models[0]
	return w.write(core.DiskOp{Kind: core.DiskRoll, Stream: m.id, Base: m.next(), State: m.state()})
}

func (w *world) checkpoint(last bool) bool {
	m := w.models[0]
	return w.write(core.DiskOp{Kind: core.DiskCheckpoint, Stream: m.id, Generation: m.gen, State: m.state(), Close: last}) && w.sync() && w.storePoints()
}

func scenes() []scene {
	one := func(w *world) bool { return w.make("t0") && w.put(2, true) && w.sync() }
	two := func(w *world) bool { return one(w) && w.roll() && w.put(1, true) && w.sync() }
	return []scene{
		{"create", func(*world) bool { return true }, func(w *world) bool { return w.make("t0") && w.make("t1") }},
		{"append", one, func(w *world) bool {
			return w.put(2, true) && w.sync() && w.put(1, false) && w.put(1, true) && w.sync()
		}},
		{"roll", one, func(w *world) bool { return w.put(1, false) && w.roll() && w.put(1, true) && w.sync() }},
		{"checkpoint", one, func(w *world) bool { return w.put(1, true) && w.checkpoint(false) && w.put(1, true) && w.sync() }},
		{"checkpoint again", func(w *world) bool { return two(w) && w.checkpoint(false) },
			func(w *world) bool { return w.put(1, true) && w.checkpoint(false) && w.put(1, true) }},
		{"close", two, func(w *world) bool { return w.put(1, false) && w.checkpoint(true) }},
		{"delete below", two, func(w *world) bool {
			return w.write(core.DiskOp{Kind: core.DiskDelete, Stream: w.models[0].id, To: w.models[0].next() - 1}) && w.put(1, true) && w.sync()
		}},
		{"delete", two, func(w *world) bool {
			m := w.models[0]
			m.doomed = true
			if !w.write(core.DiskOp{Kind: core.DiskDelete, Stream: m.id, All: true}) {
				return false
			}
			w.drop(m)
			return w.make("t0")
		}},
		{"make anew under the same name", one, func(w *world) bool {
			w.models[0].doomed = true
			return w.make("t0") && w.write(core.DiskOp{Kind: core.DiskDelete, Stream: w.models[0].id, All: true})
		}},
		{"truncate", two, func(w *world) bool {
			m := w.models[0]
			m.before, m.durable, m.gen = m.batches, 2, m.gen+1
			m.batches = m.batches[:1:1]
			return w.write(core.DiskOp{Kind: core.DiskTruncate, Stream: m.id, Generation: m.gen, To: 2}) && w.put(1, true) && w.sync()
		}},
		{"recovery", two, func(w *world) bool {
			if !w.put(2, false) {
				return false
			}
			w.disk.Crash() // the process ends, nothing of the last appends is synced
			return w.reopen() && w.put(1, true) && w.sync()
		}},
		{"recovery of a log without its indexes", func(w *world) bool { return two(w) && w.checkpoint(true) && w.lose(".index") }, func(w *world) bool {
			w.disk.Crash()
			return w.reopen() && w.put(1, true) && w.sync()
		}},
	}
}

// settle makes everything durable that is on the disk.
func (w *world) settle() error {
	fs := w.dir.FS()
	folders, err := fs.List("")
	if err != nil {
		return err
	}
	for _, folder := range append(folders, "") {
		names, err := fs.List(folder)
		if err != nil {
			continue // a file
		}
		for _, name := range names {
			if err := syncPath(fs, strings.TrimPrefix(folder+"/"+name, "/")); err != nil && folder != "" {
				return err
			}
		}
		if err := fs.SyncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// lose removes every file of that suffix, durably.
func (w *world) lose(suffix string) bool {
	fs := w.dir.FS()
	names, err := fs.List("t0-0")
	for _, name := range names {
		if err == nil && len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
			err = fs.Remove("t0-0/" + name)
		}
	}
	return err == nil && fs.SyncDir("t0-0") == nil
}

// reopen recovers the directory as the next process would, and checks what it finds unless the power fails meanwhile.
func (w *world) reopen() bool {
	w.dir = w.open()
	all, err := recoverAll(w.dir)
	if err != nil {
		return false
	}
	hook := w.disk.Before
	w.disk.Before = nil
	w.checkAll(all)
	w.disk.Before = hook
	w.epoch++
	for _, m := range w.models {
		m.gen++
		if !w.write(core.DiskOp{Kind: core.DiskSync, Stream: m.id, Generation: m.gen}) {
			return false
		}
	}
	return true
}

// TestEveryCrashSubset lets the power fail before each file operation of each scene, with every subset of what was pending kept that the order of
// dependencies allows, and checks what the next process finds, twice.
func TestEveryCrashSubset(t *testing.T) {
	limit := *thorough // combinations of one place
	for _, s := range scenes() {
		points, all, drawn := 0, 0, 0
		for at, more := 1, true; more; at++ {
			o := &odometer{}
			n := 0
			for again := true; again; n++ {
				more = s.run(t, at, o.choose(false))
				again = o.turn()
				if n == limit && again {
					drawn++
					again = false
				}
			}
			rng := rand.New(rand.NewPCG(uint64(at), 9))
			for range 20 { // writes of which some sectors stay
				s.run(t, at, rng.IntN)
			}
			points, all = points+1, all+n
		}
		t.Logf("%s: %d places, %d crashes; places with more subsets than were looked at: %d", s.name, points, all, drawn)
	}
}

// run plays a scene up to operation at of its second part; false if that has fewer.
func (s *scene) run(t *testing.T, at int, choose func(int) int) bool {
	w := &world{t: t, seed: uint64(at), rng: rand.New(rand.NewPCG(1, 1)), disk: simdisk.New(), points: map[string]record.Offset{}}
	w.dir = w.open()
	_, err := recoverAll(w.dir)
	check(t, err)
	if !s.before(w) {
		t.Fatalf("%s: the beginning fails", s.name)
	}
	check(t, w.settle())
	fired := false
	at += w.disk.Ops()
	w.disk.Before = func(op simdisk.Op) error {
		if op.N >= at && !fired {
			fired = true
			w.disk.PowerLoss(choose)
		}
		return nil
	}
	if s.then(w) == fired {
		t.Fatalf("%s: it went on without power, or not with it: %v", s.name, w.dir.Err())
	}
	w.disk.Before = nil
	if !fired {
		w.disk.PowerLoss(choose)
	}
	for i := range 2 {
		w.dir = w.open()
		all, err := recoverAll(w.dir)
		if err != nil {
			t.Fatalf("%s, operation %d: recovery: %v", s.name, at, err)
		}
		w.checkAll(all)
		if err := checkIndexes(w.disk, w.dir); err != nil {
			t.Fatalf("%s, operation %d: %v", s.name, at, err)
		}
		if i == 0 {
			w.disk.PowerLoss(func(int) int { return 7 }) // keeps nothing
		}
	}
	return fired
}
