package sim

import (
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
	case core.EvWritten, core.EvDurable:
		return lane{kind: ev.Kind, stream: ev.Stream}
	}
	return lane{kind: ev.Kind}
}

// later schedules an event of the disk after a drawn delay.
func (n *node) later(k kind, number uint64) {
	n.w.after(n.w.opt.Disk.draw(&n.rng), event{kind: k, n: number, who: n.id, life: n.life})
}

// queueDisk takes over what a Step wants of the disk.
func (n *node) queueDisk() {
	p := n.p
	for i := range p.fx.Disk {
		if op := &p.fx.Disk[i]; op.Kind == core.DiskAppend {
			n.checkEpoch(op)
		}
	}
	p.queue = append(p.queue, p.fx.Disk...)
	p.stores = append(p.stores, p.fx.Stores...)
	p.jobs = append(p.jobs, p.fx.Jobs...)
	for i := range p.fx.Jobs {
		n.later(evJob, uint64(p.fx.Jobs[i].ID))
	}
	n.armDisk()
}

// armDisk has the stages run that have something to do.
func (n *node) armDisk() {
	p := n.p
	if len(p.queue) > 0 && !p.blocked && !p.writing {
		p.writing = true
		n.later(evWrite, 0)
	}
	if len(p.stores) > 0 && !p.storing {
		p.storing = true
		n.later(evStore, 0)
	}
}

// write carries out a drawn part of the queue, in order for each stream.
func (n *node) write() {
	p := n.p
	p.writing = false
	ops := n.choose()
	done, events := p.dir.Write(ops, nil)
	if n.cut {
		return
	}
	for i := range ops[:done] {
		if f := ops[i].Batch.Frame; f != record.NoFrame && !n.w.cfg.broken.releaseEarly && !n.w.cfg.broken.releaseNever {
			p.pool.Release(f)
		}
	}
	if done < len(ops) {
		p.queue = append(append([]core.DiskOp(nil), ops[done:]...), p.queue...)
		p.blocked = true
	}
	n.takeChanges()
	for i := range events {
		ev := events[i]
		n.tell(laneOf(&ev), ev)
		if ev.Kind == core.EvWritten && n.w.cfg.broken.writtenDurable {
			ev.Kind = core.EvDurable
			n.tell(laneOf(&ev), ev)
		}
	}
	n.armSync()
	n.armDisk()
}

// choose takes operations from the queue: all, the first few, or those of one stream.
func (n *node) choose() []core.DiskOp {
	p := n.p
	queue := p.queue
	switch n.rng.IntN(4) {
	case 0:
		k := 1 + n.rng.IntN(len(queue))
		p.queue = append([]core.DiskOp(nil), queue[k:]...)
		return queue[:k:k]
	case 1:
		var ops, rest []core.DiskOp
		id := queue[n.rng.IntN(len(queue))].Stream
		for i := range queue {
			if queue[i].Stream == id {
				ops = append(ops, queue[i])
			} else {
				rest = append(rest, queue[i])
			}
		}
		p.queue = rest
		return ops
	}
	p.queue = nil
	return queue
}

// takeChanges closes files and unmaps indexes that have left their log: nothing of them is lent out between events.
func (n *node) takeChanges() {
	p := n.p
	p.changes = p.dir.TakeChanges(p.changes[:0])
	for i := range p.changes {
		if p.changes[i].Gone {
			_ = p.changes[i].File.Close() // nothing was promised of it
		}
		for _, m := range p.changes[i].Maps {
			_ = m.Unmap()
		}
	}
}

func (n *node) armSync() {
	if p := n.p; p.round == nil && !p.syncing {
		p.syncing = true
		n.later(evSyncBegin, 0)
	}
}

// beginSync starts a round over what was written so far. Its steps are made one by one in drawn order, with writes between them.
func (n *node) beginSync() {
	p := n.p
	p.syncing = false
	if p.round = p.dir.BeginSync(); p.round == nil {
		return
	}
	p.steps = p.steps[:0]
	for i := range p.round.Steps() {
		p.steps = append(p.steps, i)
		j := n.rng.IntN(i + 1)
		p.steps[i], p.steps[j] = p.steps[j], p.steps[i]
	}
	n.nextStep()
}

func (n *node) nextStep() {
	if len(n.p.steps) > 0 {
		n.later(evSyncStep, 0)
	} else {
		n.later(evSyncEnd, 0)
	}
}

func (n *node) syncStep() {
	p := n.p
	i := p.steps[len(p.steps)-1]
	p.steps = p.steps[:len(p.steps)-1]
	if !n.w.cfg.broken.durableUnsynced && !p.round.Step(i) {
		p.steps = p.steps[:0] // after a failure no further step is made
	}
	if !n.cut {
		n.nextStep()
	}
}

func (n *node) endSync() {
	p := n.p
	events := p.dir.EndSync(p.round, nil)
	p.round, p.blocked = nil, false
	n.takeChanges()
	for i := range events {
		n.tell(laneOf(&events[i]), events[i])
	}
	n.armSync()
	n.armDisk()
}

// store replaces one small file.
func (n *node) store() {
	p := n.p
	s := p.stores[0]
	p.stores = p.stores[1:]
	p.storing = false
	ev, ok := p.dir.Store(s)
	if n.cut {
		return
	}
	if ok {
		n.tell(laneOf(&ev), ev)
	}
	n.armDisk()
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
			ev = p.dir.LoadSlot(&job)
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
	v, ok := n.p.dir.View(id)
	return v, func() {}, ok
}

func (n *node) codec() segment.Decompressor { return n.w.codec }
