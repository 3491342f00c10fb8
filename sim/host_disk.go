package sim

import (
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
)

// lane names events that must not overtake one another: the Written of a stream, its Durable, the requests of a connection.
type lane struct {
	kind   core.EventKind
	stream stream.ID
	conn   core.ConnID
}

func laneOf(ev *core.Event) lane {
	switch ev.Kind {
	case core.EvWritten, core.EvDurable, core.EvCheckpointed:
		return lane{kind: ev.Kind, stream: ev.Stream}
	}
	return lane{kind: ev.Kind}
}

// logDir is one log directory of a process, with what the production store keeps for each: a queue, a round in flight.
type logDir struct {
	n      *node
	root   string // where it lies on the node's disk: empty, or a folder with a slash
	dir    *segment.Dir
	lost   bool // the core has given it up
	failed bool // at the end of a stop: it has failed, whether the core knows or not

	queue    []core.DiskOp
	writing  bool // an evWrite is coming
	blocked  bool // the first of queue waits for the round in flight
	stores   []core.Store
	storing  bool
	round    *segment.Round
	unsynced string // the path of a step that was made to fail; "": none was
	steps    []int  // of the round, still to be made
	syncing  bool   // an evSyncBegin is coming
	changes  []segment.FileChange
}

// later schedules an event of the directory after a drawn delay.
func (d *logDir) later(k kind) { d.n.later(k, uint64(d.dir.ID())) }

// slowMost is the longest that an operation of a slow disk takes: as much later than the disk is slow.
const slowMost = 2 * Second

// later schedules an event of the disk after a drawn delay.
func (n *node) later(k kind, number uint64) {
	d := n.w.opt.Disk.draw(&n.rng)
	if n.w.now < n.slowUntil {
		d = min(d*n.slowBy, slowMost)
	}
	n.w.after(d, event{kind: k, n: number, who: n.id, life: n.life})
}

// handle lets an event of a directory happen.
func (d *logDir) handle(k kind) {
	switch k {
	case evWrite:
		d.write()
	case evSyncBegin:
		d.beginSync()
	case evSyncStep:
		d.syncStep()
	case evSyncEnd:
		d.endSync()
	case evStore:
		d.store()
	}
}

// queueDisk takes over what a Step wants of the disk.
func (n *node) queueDisk() {
	p := n.p
	for i := range p.fx.Disk {
		op := &p.fx.Disk[i]
		switch op.Kind {
		case core.DiskAppend:
			n.checkEpoch(op)
		case core.DiskCreate:
			p.where[op.Stream] = p.dirs[op.Dir]
			n.checkNew(op)
		}
		d := p.where[op.Stream]
		if d == nil { // recovery found no log of it, and the core deletes it
			d = p.dirs[op.Dir]
		}
		d.queue = append(d.queue, *op)
	}
	for i := range p.fx.Stores {
		d := p.dirs[p.fx.Stores[i].Slot.Dir]
		d.stores = append(d.stores, p.fx.Stores[i])
	}
	p.jobs = append(p.jobs, p.fx.Jobs...)
	for i := range p.fx.Jobs {
		n.later(evJob, uint64(p.fx.Jobs[i].ID))
	}
	for _, d := range p.dirs {
		d.arm()
	}
}

// arm has the stages run that have something to do.
func (d *logDir) arm() {
	if len(d.queue) > 0 && !d.blocked && !d.writing {
		d.writing = true
		d.later(evWrite)
	}
	if len(d.stores) > 0 && !d.storing {
		d.storing = true
		d.later(evStore)
	}
}

// write carries out a drawn part of the queue, in order for each stream.
func (d *logDir) write() {
	n := d.n
	d.writing = false
	ops := d.choose()
	n.recovers = slices.ContainsFunc(ops, func(op core.DiskOp) bool { return op.Kind == core.DiskTruncate })
	done, events := d.dir.Write(ops, nil)
	n.recovers = false
	if n.cut {
		return
	}
	for i := range ops[:done] {
		if op := &ops[i]; op.Kind == core.DiskCreate {
			n.w.past.created(op.Topic, op.Stream.Partition)
		}
		if f := ops[i].Batch.Frame; f != record.NoFrame && !n.w.cfg.broken.releaseEarly && !n.w.cfg.broken.releaseNever {
			n.p.pool.Release(f)
		}
	}
	if done < len(ops) {
		d.queue = append(append([]core.DiskOp(nil), ops[done:]...), d.queue...)
		d.blocked = true
	}
	d.takeChanges()
	d.checkPassedOver()
	d.checkMirror(ops[:done])
	for i := range events {
		ev := events[i]
		n.tell(laneOf(&ev), ev)
		if ev.Kind == core.EvWritten && n.w.cfg.broken.writtenDurable {
			ev.Kind = core.EvDurable
			n.tell(laneOf(&ev), ev)
		}
	}
	d.armSync()
	d.arm()
}

// choose takes operations from the queue: all, the first few, or those of one stream.
func (d *logDir) choose() []core.DiskOp {
	rng, queue := &d.n.rng, d.queue
	switch rng.IntN(4) {
	case 0:
		k := 1 + rng.IntN(len(queue))
		d.queue = append([]core.DiskOp(nil), queue[k:]...)
		return queue[:k:k]
	case 1:
		var ops, rest []core.DiskOp
		id := queue[rng.IntN(len(queue))].Stream
		for i := range queue {
			if queue[i].Stream == id {
				ops = append(ops, queue[i])
			} else {
				rest = append(rest, queue[i])
			}
		}
		d.queue = rest
		return ops
	}
	d.queue = nil
	return queue
}

// takeChanges closes files and unmaps indexes that have left their log: nothing of them is lent out between events.
func (d *logDir) takeChanges() {
	d.changes = d.dir.TakeChanges(d.changes[:0])
	for i := range d.changes {
		if d.changes[i].Gone {
			_ = d.changes[i].File.Close() // nothing was promised of it
		}
		for _, m := range d.changes[i].Maps {
			_ = m.Unmap()
		}
	}
}

func (d *logDir) armSync() {
	if d.round == nil && !d.syncing {
		d.syncing = true
		d.later(evSyncBegin)
	}
}

// beginSync starts a round over what was written so far. Its steps are made one by one in drawn order, with writes between them.
func (d *logDir) beginSync() {
	d.syncing = false
	if d.round = d.dir.BeginSync(); d.round == nil {
		return
	}
	d.steps = d.steps[:0]
	for i := range d.round.Steps() {
		d.steps = append(d.steps, i)
		j := d.n.rng.IntN(i + 1)
		d.steps[i], d.steps[j] = d.steps[j], d.steps[i]
	}
	d.nextStep()
}

func (d *logDir) nextStep() {
	if len(d.steps) > 0 {
		d.later(evSyncStep)
	} else {
		d.later(evSyncEnd)
	}
}

func (d *logDir) syncStep() {
	i := d.steps[len(d.steps)-1]
	d.steps = d.steps[:len(d.steps)-1]
	other := d.n.injected
	d.n.injected = ""
	if !d.n.w.cfg.broken.durableUnsynced && !d.round.Step(i) {
		d.steps = d.steps[:0] // after a failure no further step is made
	}
	d.unsynced, d.n.injected = d.unsynced+d.n.injected, other // the end of the round says so
	if !d.n.cut {
		d.nextStep()
	}
}

func (d *logDir) endSync() {
	events := d.dir.EndSync(d.round, nil)
	d.n.injected += d.unsynced
	d.round, d.blocked, d.unsynced = nil, false, ""
	d.checkPassedOver()
	d.takeChanges()
	for i := range events {
		d.n.tell(laneOf(&events[i]), events[i])
	}
	d.armSync()
	d.arm()
}

// store replaces one small file.
func (d *logDir) store() {
	s := d.stores[0]
	d.stores = d.stores[1:]
	d.storing = false
	d.n.checkPoints(&s)
	ev, ok := d.dir.Store(s)
	if d.n.cut {
		return
	}
	d.checkPassedOver()
	if ok && ev.Kind == core.EvStored {
		delete(d.n.spoiled, d.root+s.Slot.Name) // it is another file now
	}
	if ok {
		d.n.tell(laneOf(&ev), ev)
	}
	d.arm()
}

// job reads what a Locate or Load asks for, as it is now.
func (n *node) job(id core.JobID) {
	p := n.p
	for i := range p.jobs {
		if p.jobs[i].ID != id {
			continue
		}
		job := p.jobs[i]
		p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
		var ev core.Event
		if job.Slot.Name != "" {
			ev = p.dirs[job.Slot.Dir].dir.LoadSlot(&job)
		} else {
			ev = segment.Answer(&job, n.viewed, n.codec())
		}
		if !n.cut {
			n.w.after(n.w.opt.Core.draw(&n.rng), event{kind: evCore, who: n.id, life: n.life, core: &ev})
		}
		return
	}
}

func (n *node) viewed(id stream.ID) (segment.View, func(), bool) {
	v, ok := n.view(id)
	return v, func() {}, ok
}

// view returns a stream's files as they are, wherever they lie.
func (n *node) view(id stream.ID) (segment.View, bool) {
	if d := n.p.where[id]; d != nil {
		return d.dir.View(id)
	}
	return segment.View{}, false
}

func (n *node) codec() segment.Decompressor { return n.w.codec }
