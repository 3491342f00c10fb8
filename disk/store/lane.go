package store

import (
	"sync"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
)

// syncersMax bounds the goroutines that sync the files of one round.
const syncersMax = 16

// lane is one directory, or the metadata log, with its queues and its three stages.
type lane struct {
	store *Store

	dirMu sync.Mutex // guards dir and what follows; held over writes, never over a round's syncs
	dir   *segment.Dir
	inFly bool  // a round is with the sync stage
	asked int64 // batches written that the next round will cover
	flown int64 // batches of the round in flight

	queueMu sync.Mutex
	wake    *sync.Cond // for the write stage
	queue   []core.DiskOp
	slots   *sync.Cond // for the store stage
	stores  []core.Store
	pending map[stream.ID]int // operations of a stream in queue or being carried out
	blocked bool              // the first of queue waits for the round in flight to end
	closing bool

	rounds chan *segment.Round

	// Of Do's caller alone.
	fresh       []core.DiskOp
	freshStores []core.Store
	inline      []core.DiskOp
	inlined     []core.Event

	// Events are told and forgotten, so each stage uses one slice again and again.
	written []core.Event // of the write stage
	synced  []core.Event // of the sync stage
}

func newLane(s *Store, d *segment.Dir) *lane {
	l := &lane{store: s, dir: d, pending: map[stream.ID]int{}, rounds: make(chan *segment.Round, 1)}
	l.wake, l.slots = sync.NewCond(&l.queueMu), sync.NewCond(&l.queueMu)
	return l
}

// submit queues what Do gathered, or writes it at once where it may.
func (l *lane) submit() {
	l.queueMu.Lock()
	for i := range l.fresh {
		op := &l.fresh[i]
		// FIFO: nothing of the stream is queued or being carried out, so nothing can come after this that was asked before.
		if op.Kind == core.DiskAppend && !op.Sync && l.pending[op.Stream] == 0 {
			l.inline = append(l.inline, *op)
			continue
		}
		l.push(op)
	}
	if len(l.inline) > 0 && !l.dirMu.TryLock() { // somebody writes or creates: do not wait for it
		l.unshiftInline()
	}
	l.stores = append(l.stores, l.freshStores...)
	l.wake.Signal()
	l.slots.Signal()
	l.queueMu.Unlock()
	clear(l.fresh)
	clear(l.freshStores)
	l.fresh, l.freshStores = l.fresh[:0], l.freshStores[:0]
	if len(l.inline) == 0 {
		return
	}
	_, events := l.dir.Write(l.inline, l.inlined[:0]) // appends only: always all of them
	l.publishOps(l.inline)
	l.dirMu.Unlock()
	l.releaseFrames(l.inline)
	clear(l.inline)
	l.inline = l.inline[:0]
	l.inlined = l.tell(events)
}

func (l *lane) push(op *core.DiskOp) {
	l.queue = append(l.queue, *op)
	l.pending[op.Stream]++
}

// unshiftInline queues the operations chosen to be written inline, in front: what is queued of their streams was asked after them, in this call.
func (l *lane) unshiftInline() {
	rest := l.queue
	l.queue = make([]core.DiskOp, 0, len(rest)+len(l.inline))
	for i := range l.inline {
		l.push(&l.inline[i])
	}
	l.queue = append(l.queue, rest...)
	clear(l.inline)
	l.inline = l.inline[:0]
}

// writeStage carries out what is queued until the lane closes, then has everything synced.
func (l *lane) writeStage() {
	defer l.store.lanesWG.Done()
	var ops []core.DiskOp
	for {
		l.queueMu.Lock()
		for (len(l.queue) == 0 || l.blocked) && !(l.closing && len(l.queue) == 0) {
			l.wake.Wait()
		}
		if len(l.queue) == 0 {
			l.queueMu.Unlock()
			l.lastRound()
			return
		}
		ops, l.queue = l.queue, ops[:0]
		l.queueMu.Unlock()
		l.carryOut(ops)
		clear(ops)
	}
}

// storeStage replaces small files, one after another, until the lane closes. Each takes several syncs: appends do not wait for them.
func (l *lane) storeStage() {
	defer l.store.lanesWG.Done()
	for {
		l.queueMu.Lock()
		for len(l.stores) == 0 && !l.closing {
			l.slots.Wait()
		}
		if len(l.stores) == 0 {
			l.queueMu.Unlock()
			return
		}
		s := l.stores[0]
		l.stores[0] = core.Store{}
		l.stores = l.stores[1:]
		l.queueMu.Unlock()
		l.dirMu.Lock()
		fenced := l.dir.Err() != nil
		l.dirMu.Unlock()
		if fenced {
			continue
		}
		err := l.dir.WriteSlot(s)
		l.dirMu.Lock()
		ev, ok := l.dir.EndStore(s, err)
		l.dirMu.Unlock()
		if ok {
			l.store.complete([]core.Event{ev})
		}
	}
}

// carryOut writes ops, starts a round over them if none is in flight, and reports.
func (l *lane) carryOut(ops []core.DiskOp) {
	l.dirMu.Lock()
	done, events := l.dir.Write(ops, l.written[:0])
	for i := range ops[:done] {
		if ops[i].Kind == core.DiskAppend && ops[i].Sync {
			l.asked++
		}
	}
	l.publishOps(ops[:done])
	l.queueMu.Lock()
	for i := range ops[:done] {
		id := ops[i].Stream
		if l.pending[id]--; l.pending[id] == 0 {
			delete(l.pending, id)
		}
	}
	if done < len(ops) { // the rest goes back in front, to be taken up when the round has ended
		l.queue = append(append([]core.DiskOp(nil), ops[done:]...), l.queue...)
		l.blocked = true
	}
	l.queueMu.Unlock()
	l.begin()
	l.dirMu.Unlock()
	l.releaseFrames(ops[:done])
	l.written = l.tell(events)
}

// releaseFrames gives back the frames of batches that are in the file, or that a fenced directory will never write.
func (l *lane) releaseFrames(ops []core.DiskOp) {
	for i := range ops {
		if f := ops[i].Batch.Frame; f != record.NoFrame && l.store.release != nil {
			l.store.release(f)
		}
	}
}

// begin hands a round to the sync stage, if there is something to sync and none is in flight. Caller holds dirMu.
func (l *lane) begin() {
	if l.inFly {
		return
	}
	r := l.dir.BeginSync()
	if r == nil {
		return
	}
	l.take(r)
	l.rounds <- r // never blocks: none is in flight
}

// take notes a round as in flight. Caller holds dirMu.
func (l *lane) take(r *segment.Round) {
	l.inFly = true
	l.flown, l.asked = l.asked, 0
	s := l.store
	s.rounds.Add(1)
	s.fsyncs.Add(int64(r.Steps()))
	s.synced.Add(l.flown)
	for w := s.widest.Load(); l.flown > w && !s.widest.CompareAndSwap(w, l.flown); w = s.widest.Load() {
	}
}

// syncStage runs rounds. When one has ended, the next begins at once over what was written meanwhile.
func (l *lane) syncStage() {
	defer l.store.lanesWG.Done()
	for r := range l.rounds {
		for r != nil {
			runSteps(r)
			l.dirMu.Lock()
			events := l.dir.EndSync(r, l.synced[:0])
			l.inFly = false
			if l.unblock() {
				r = nil // what waited for this round goes first; the write stage begins the next one behind it
			} else if r = l.dir.BeginSync(); r != nil {
				l.take(r)
			}
			l.publish(nil)
			l.dirMu.Unlock()
			l.synced = l.tell(events)
		}
	}
}

// unblock lets the write stage go on with what waited for a round; it reports whether anything did.
func (l *lane) unblock() bool {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	was := l.blocked
	l.blocked = false
	if was {
		l.wake.Signal()
	}
	return was
}

// lastRound syncs what no round has covered and ends the sync stage.
func (l *lane) lastRound() {
	l.dirMu.Lock()
	l.dir.WantAll()
	l.begin() // if a round is in flight, the next one takes it in
	l.dirMu.Unlock()
	close(l.rounds)
}

// runSteps makes a round's system calls: one by itself, several beside one another, for a file system merges their commits.
func runSteps(r *segment.Round) {
	n := r.Steps()
	if n <= 1 {
		r.Run()
		return
	}
	var wg sync.WaitGroup
	workers := min(n, syncersMax)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if !r.Step(i) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// tell delivers events and returns their slice, empty, for the next ones.
func (l *lane) tell(events []core.Event) []core.Event {
	if len(events) > 0 {
		l.store.complete(events)
	}
	clear(events)
	return events[:0]
}

func (l *lane) close() {
	l.queueMu.Lock()
	l.closing = true
	l.wake.Signal()
	l.slots.Signal()
	l.queueMu.Unlock()
}
