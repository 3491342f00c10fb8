package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// model is what one stream must still have after any crash.
type model struct {
	id      stream.ID
	topic   string
	created bool // Create has returned
	doomed  bool // its Delete was asked for
	gen     stream.Generation
	start   record.Offset // lowest base that may be left
	batches []modelBatch  // all appended since start, in order
	before  []modelBatch  // what the log had before a Truncate that has not returned, in this incarnation or an earlier one; else nil
	durable record.Offset // promised
	emptied bool          // a Truncate of all has begun: a log without batches may begin where it did before
}

type modelBatch struct {
	base, next record.Offset
	data       []byte
}

func (m *model) next() record.Offset {
	if len(m.batches) == 0 {
		return m.start
	}
	return m.batches[len(m.batches)-1].next
}

// world drives one disk through incarnations.
type world struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	disk   *simdisk.Disk
	dir    *Dir
	models []*model
	made   byte
	epoch  record.Epoch
	points map[string]record.Offset // recovery points, as the core would store them
	zeros  int                      // files that ended with a step of zeros when recovery came
}

// open opens the disk. Files are filled with zeros in three seeds of four.
func (w *world) open() *Dir {
	return OpenDirWith(w.disk.Mount(), 0, Options{IndexInterval: 400, IndexBytes: 8000, FillStep: []int64{0, 2000, 4000, 8000}[w.seed%4],
		SealAbove: []int64{1, 500, 0}[w.rng.IntN(3)]})
}

// checkLengths: only the last segment's file holds more than its batches, and that is zeros.
func (w *world) checkLengths() {
	for _, l := range w.dir.logs {
		for i := range l.segs {
			s := &l.segs[i]
			data, err := w.disk.Data(l.path(s.base))
			check(w.t, err)
			if rest := data[s.size:]; len(rest) > 0 && i < len(l.segs)-1 || !zeros(rest) {
				w.fatalf("%s has %d bytes behind its batches", l.path(s.base), len(rest))
			}
		}
	}
}

// lookForZeros counts files that end with many zeros, which no batch of these tests does.
func (w *world) lookForZeros() {
	for _, m := range w.models {
		folder := m.topic + "-0"
		names, _ := w.disk.Names(folder)
		for _, name := range names {
			data, _ := w.disk.Data(folder + "/" + name)
			if strings.HasSuffix(name, logSuffix) && len(data)-len(bytes.TrimRight(data, "\x00")) > 30 {
				w.zeros++
			}
		}
	}
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

// TestPowerLossAtAnyOperation runs random work, ends it by a power loss or a process crash at a random file operation (of recovery too), and checks
// that what was promised is there, that nothing is there that was never appended or was durably cut, and that the work goes on.
func TestPowerLossAtAnyOperation(t *testing.T) {
	seeds := uint64(1500)
	if testing.Short() {
		seeds = 60
	}
	zeros := 0
	for seed := range seeds {
		w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), disk: simdisk.New(), points: map[string]record.Offset{}}
		for range 4 {
			w.incarnation()
		}
		zeros += w.zeros
	}
	if t.Logf("%d files ended with zeros when recovery came", zeros); zeros < int(seeds)/10 {
		t.Error("steps of zeros hardly come up")
	}
}

func (w *world) incarnation() {
	at := w.disk.Ops() + 1 + w.rng.IntN(150)
	fired := false
	w.disk.Before = func(op simdisk.Op) error {
		if op.N >= at && !fired {
			fired = true
			if w.rng.IntN(4) == 0 {
				w.disk.Crash()
			} else {
				w.disk.PowerLoss(w.rng.IntN)
			}
		}
		return nil
	}
	w.dir = w.open()
	w.lookForZeros()
	all, err := recoverAll(w.dir)
	if err != nil {
		if !fired {
			w.fatalf("recovery: %v", err)
		}
		return // the power failed during recovery
	}
	if fired {
		return
	}
	hook := w.disk.Before
	w.disk.Before = nil // what the check reads is not the story's
	w.checkAll(all)
	if err := checkIndexes(w.disk, w.dir); err != nil {
		w.fatalf("after recovery: %v", err)
	}
	w.disk.Before = hook
	w.epoch++
	if !w.storePoints() { // as the core does
		return
	}
	for _, m := range w.models { // as the core does: sync what was kept
		if m.created {
			m.gen++
			if !w.write(core.DiskOp{Kind: core.DiskSync, Stream: m.id, Generation: m.gen}) {
				return
			}
		}
	}
	for w.step() {
		w.checkLengths()
		if err := checkIndexes(w.disk, w.dir); err != nil {
			w.fatalf("%v", err)
		}
	}
}

// write carries one operation out and takes promises in; false if the directory has failed, by the crash.
func (w *world) write(ops ...core.DiskOp) bool {
	for {
		done, events := w.dir.Write(ops, nil)
		w.take(events)
		if ops = ops[done:]; len(ops) == 0 || w.dir.Err() != nil {
			return w.dir.Err() == nil
		}
		if !w.seals() { // they wait for a segment to get its name
			return false
		}
	}
}

// seals runs the round that a waiting operation waits for.
func (w *world) seals() bool {
	r := w.dir.BeginSync()
	if r == nil {
		w.fatalf("an operation waits and no round is due")
	}
	r.Run()
	w.take(w.dir.EndSync(r, nil))
	return w.dir.Err() == nil
}

func (w *world) take(events []core.Event) {
	for i := range events {
		ev := &events[i]
		for _, m := range w.models {
			if ev.Kind == core.EvDurable && m.id == ev.Stream && m.gen == ev.Generation {
				m.durable, m.before, m.emptied = max(m.durable, ev.UpTo), nil, false
			}
			if ev.Kind == core.EvTruncated && m.id == ev.Stream && m.gen == ev.Generation {
				m.durable = ev.Opened.LogEnd
				if ev.Opened.LogEnd != m.next() {
					w.fatalf("cut to %d: %s", m.next(), printOpened(ev.Opened))
				}
				w.checkState(m, ev.Opened) // what recovery would find
			}
			if ev.Kind == core.EvCheckpointed && m.id == ev.Stream && m.gen == ev.Generation && !m.doomed {
				w.points[m.topic] = ev.UpTo
			}
		}
	}
}

func (w *world) step() bool {
	if len(w.models) < 3 && w.rng.IntN(4) == 0 || len(w.models) == 0 {
		w.made++
		m := &model{id: sid(string(rune('a' + w.made))), topic: fmt.Sprintf("t%d", w.rng.IntN(2))}
		for _, o := range w.models {
			if o.topic == m.topic {
				o.doomed = true // the name is taken over: the old stream's Delete is on its way
			}
		}
		if _, ok := w.points[m.topic]; ok { // as the core does: no entry may be taken for one of the new topic
			delete(w.points, m.topic)
			if !w.storePoints() {
				return false
			}
		}
		w.models = append(w.models, m)
		m.created = w.write(core.DiskOp{Kind: core.DiskCreate, Stream: m.id, Topic: m.topic})
		return m.created
	}
	m := w.models[w.rng.IntN(len(w.models))]
	switch w.rng.IntN(16) {
	case 15:
		return w.empty(m)
	case 12, 13:
		m.gen++
		return w.write(core.DiskOp{Kind: core.DiskCheckpoint, Stream: m.id, Generation: m.gen, State: m.state(), Close: w.rng.IntN(3) == 0})
	case 14:
		return w.storePoints()
	case 0, 1:
		return w.round()
	case 2:
		return w.truncate(m)
	case 3:
		return w.write(core.DiskOp{Kind: core.DiskRoll, Stream: m.id, Base: m.next(), State: m.state()})
	case 4:
		return w.deleteBelow(m)
	case 5:
		if w.rng.IntN(4) > 0 && !m.doomed {
			return true
		}
		m.doomed = true
		if !w.write(core.DiskOp{Kind: core.DiskDelete, Stream: m.id, All: true}) {
			return false
		}
		w.drop(m)
		return true
	case 6:
		m.gen++
		return w.write(core.DiskOp{Kind: core.DiskSync, Stream: m.id, Generation: m.gen})
	default:
		return w.append(m)
	}
}

// storePoints writes the checkpoint of recovery points.
func (w *world) storePoints() bool {
	var entries []core.CheckpointEntry
	for _, m := range w.models {
		if at, ok := w.points[m.topic]; ok && !m.doomed {
			entries = append(entries, core.CheckpointEntry{Topic: m.topic, Offset: at})
		}
	}
	ev, ok := w.dir.Store(core.Store{Slot: core.Slot{Name: core.RecoveryPointCheckpoint}, Bytes: core.FormatCheckpoint(entries)})
	return ok && ev.Kind == core.EvStored
}

// state is what the core would know of everything appended.
func (m *model) state() *core.LogState {
	s, windows := &core.LogState{}, producerWindows{}
	for _, mb := range m.batches {
		b, err := record.ParseHeader(mb.data)
		if err != nil {
			panic(err)
		}
		if n := len(s.Epochs); n == 0 || s.Epochs[n-1].Epoch < b.LeaderEpoch {
			s.Epochs = append(s.Epochs, stream.EpochStart{Epoch: b.LeaderEpoch, Start: b.BaseOffset})
		}
		if b.Idempotent() {
			windows.of(b.ProducerID, b.ProducerEpoch).add(producerBatch(&b))
		}
	}
	s.Producers = windows.entries()
	return s
}

// checkState compares what recovery knows of producers and epochs with what was appended. Of batches that were deleted it need not know.
func (w *world) checkState(m *model, o *core.Opened) {
	want := m.state()
	have := map[record.ProducerID]producer.Entry{}
	for _, e := range o.Producers {
		have[e.ID] = e
	}
	for _, e := range want.Producers {
		got := have[e.ID]
		all := e.Batches[:e.Count]
		missing := len(all) - int(got.Count)
		if missing < 0 || !slices.Equal(all[missing:], got.Batches[:got.Count]) {
			w.fatalf("producer %d is known by %v, appended were %v; %s", e.ID, got.Batches[:got.Count], all, printOpened(o))
		}
		if missing > 0 && all[missing-1].BaseOffset >= o.LogStart {
			w.fatalf("producer %d is known by %v, in the log are %v; %s", e.ID, got.Batches[:got.Count], all, printOpened(o))
		}
	}
	var epochs []stream.EpochStart
	for _, e := range want.Epochs {
		if n := len(epochs); n > 0 && e.Start <= o.LogStart {
			epochs[n-1] = e
			continue
		}
		epochs = append(epochs, e)
	}
	found := stream.NewEpochs(o.Epochs)
	found.StartAt(o.LogStart)
	if len(epochs) > 0 {
		epochs[0].Start = max(epochs[0].Start, o.LogStart)
	}
	if o.LogEnd > o.LogStart && !slices.Equal(found.Entries(), epochs) {
		w.fatalf("epochs are %v, appended were %v; %s", o.Epochs, epochs, printOpened(o))
	}
}

func (w *world) drop(m *model) {
	for i := range w.models {
		if w.models[i] == m {
			w.models = append(w.models[:i:i], w.models[i+1:]...)
			return
		}
	}
}

func (w *world) append(m *model) bool {
	var ops []core.DiskOp
	for range 1 + w.rng.IntN(3) {
		b := build(spec{base: m.next(), n: 1 + w.rng.IntN(3), epoch: w.epoch, pid: record.ProducerID(w.rng.IntN(4) - 1), seq: int32(len(m.batches)), pad: w.rng.IntN(3) * w.rng.IntN(1500), ts: record.UnixMillis(w.made)})
		ops = append(ops, core.DiskOp{Kind: core.DiskAppend, Stream: m.id, Generation: m.gen, Batch: b, Sync: w.rng.IntN(3) > 0})
		m.batches = append(m.batches, modelBatch{base: b.BaseOffset, next: b.NextOffset(), data: b.Data})
	}
	return w.write(ops...)
}

func (w *world) round() bool {
	r := w.dir.BeginSync()
	if r == nil {
		return true
	}
	if w.rng.IntN(2) == 0 && len(w.models) > 0 {
		w.append(w.models[w.rng.IntN(len(w.models))])
	}
	r.Run()
	w.take(w.dir.EndSync(r, nil))
	return w.dir.Err() == nil
}

func (w *world) truncate(m *model) bool {
	if len(m.batches) == 0 {
		return true
	}
	keep := w.rng.IntN(len(m.batches) + 1)
	if m.batches[0].base > m.start {
		keep = max(keep, 1)
	}
	v, _ := w.dir.View(m.id)
	to := m.next()
	if keep < len(m.batches) {
		to = m.batches[keep].base
	}
	if v.count() > 0 && to < v.segment(0).base {
		return true
	}
	if !w.lowerPoint(m, to) {
		return false
	}
	m.before = m.batches
	m.batches = m.batches[:keep:keep]
	m.durable = min(m.durable, to)
	m.gen++
	if !w.write(core.DiskOp{Kind: core.DiskTruncate, Stream: m.id, Generation: m.gen, To: to}) {
		return false
	}
	if m.durable != to {
		w.fatalf("truncated to %d, durable says %d", to, m.durable)
	}
	m.before = nil
	return true
}

// lowerPoint lowers the recovery point before a cut: what is written anew behind it is not durable.
func (w *world) lowerPoint(m *model, to record.Offset) bool {
	if w.points[m.topic] <= to {
		return true
	}
	w.points[m.topic] = to
	return w.storePoints()
}

// empty has a log begin anew somewhere behind its end.
func (w *world) empty(m *model) bool {
	if m.doomed {
		return true
	}
	if !w.lowerPoint(m, 0) {
		return false
	}
	base := m.next() + record.Offset(w.rng.IntN(5))
	m.before, m.batches, m.start, m.durable, m.emptied = m.batches, nil, base, 0, true
	m.gen++
	if !w.write(core.DiskOp{Kind: core.DiskTruncate, Stream: m.id, Generation: m.gen, All: true, Base: base}) {
		return false
	}
	if m.durable != base {
		w.fatalf("emptied to begin at %d, durable says %d", base, m.durable)
	}
	m.before, m.emptied = nil, false
	return true
}

func (w *world) deleteBelow(m *model) bool {
	to := m.start
	if len(m.batches) > 0 {
		to = m.batches[w.rng.IntN(len(m.batches))].base
	}
	return w.write(core.DiskOp{Kind: core.DiskDelete, Stream: m.id, To: to})
}

// checkAll compares what recovery found with what may be there.
func (w *world) checkAll(all []*core.Opened) {
	found := map[stream.ID]*core.Opened{}
	ids := map[string]stream.ID{}
	for _, l := range w.dir.logs {
		ids[l.folder] = l.id
	}
	for _, o := range all {
		found[ids[o.Topic+"-0"]] = o
	}
	for _, m := range append([]*model(nil), w.models...) {
		o := found[m.id]
		delete(found, m.id)
		if o == nil {
			if m.created && !m.doomed {
				w.fatalf("stream %s is gone", m.id)
			}
			w.drop(m)
			continue
		}
		w.checkOne(m, o)
	}
	for id := range found {
		w.fatalf("stream %s was never made or is durably deleted", id)
	}
}

func (w *world) checkOne(m *model, o *core.Opened) {
	if o.LogEnd < m.durable {
		w.fatalf("stream %s ends at %d, %d was promised; %s", m.id, o.LogEnd, m.durable, printOpened(o))
	}
	if o.Damage != "" || len(o.Lost) > 0 { // this disk loses what was not synced, it damages nothing
		w.fatalf("an interrupted write is taken for damage: %s", printOpened(o))
	}
	v, _ := w.dir.View(m.id)
	got := v.Load(o.LogStart, 1<<30)
	if got.Err != 0 {
		w.fatalf("load: %s", got.Err)
	}
	match := func(batches []modelBatch) (int, bool) {
		var want []byte
		n := 0
		for _, b := range batches {
			if b.base >= o.LogStart && b.next <= o.LogEnd {
				want = append(want, b.data...)
			}
			if b.next <= o.LogEnd {
				n++
			}
		}
		return n, bytes.Equal(got.Bytes, want)
	}
	n, ok := match(m.batches)
	if !ok && m.before != nil {
		if n, ok = match(m.before); ok {
			m.batches, m.before = m.before, m.batches // until a sync says so, a power loss may choose again
			if m.emptied {
				m.start = 0 // nothing of these was deleted, or the log begins behind it: either is found below
			}
		}
	}
	if !ok {
		w.fatalf("stream %s [%d,%d) has other bytes than were appended; %s", m.id, o.LogStart, o.LogEnd, printOpened(o))
	}
	if m.batches, m.created = m.batches[:n:n], true; n == 0 && m.emptied {
		m.start = o.LogEnd
	}
	w.checkState(m, o)
	w.points[m.topic] = o.RecoveryPoint
	if m.next() != o.LogEnd {
		w.fatalf("stream %s ends at %d, its batches at %d", m.id, o.LogEnd, m.next())
	}
}
