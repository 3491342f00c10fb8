package sim

import (
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/net/wire"
)

// tell brings an event to the core after a drawn delay. Events of one key arrive in the order in which they were told, others in any: this is all the order
// that the contract gives.
func (n *node) tell(key lane, ev core.Event) {
	p := n.p
	at := max(n.w.now+n.w.opt.Core.draw(&n.rng), p.told[key])
	p.told[key] = at
	n.w.at(event{kind: evCore, at: at, who: n.id, life: n.life, core: &ev})
}

// timer brings the core the Timeout it asked for. A deadline that was moved meanwhile is waited for anew.
func (n *node) timer() {
	p := n.p
	p.armed = 0
	if at, ok := p.core.Deadline(); ok && at <= n.mono() {
		n.step(&core.Event{Kind: core.EvTimeout})
	} else {
		n.arm()
	}
}

// arm has the core's next deadline come, unless an evTimer comes before it anyway.
func (n *node) arm() {
	p := n.p
	deadline, ok := p.core.Deadline()
	if !ok {
		return
	}
	at := max(n.w.now, p.started+Time(deadline))
	if p.armed == 0 || at < p.armed {
		p.armed = at
		n.w.at(event{kind: evTimer, at: at, who: n.id, life: n.life})
	}
}

// step runs one Step and carries its effects out.
func (n *node) step(ev *core.Event) {
	p, t := n.p, &n.w.trace
	t.begin(n.w.now, n.name)
	t.line = append(t.line, "> "...)
	t.line = ev.Append(t.line)
	t.end()
	p.fx.Reset()
	p.core.Step(core.Now{Mono: n.mono(), Wall: n.wall()}, ev, &p.fx)
	t.begin(n.w.now, n.name)
	before := len(t.line)
	if t.line = p.fx.Append(append(t.line, '\n')); len(t.line) > before+1 {
		t.line = t.line[:len(t.line)-1]
		t.end()
	}
	p.booted = p.booted || ev.Kind == core.EvBoot
	n.observe(ev)
	n.settleFrame(ev)
	n.carryOut()
	if n.p != p || n.cut {
		return // it has ended
	}
	n.arm()
}

// settleFrame passes the frame of a Produce, or of what a leader answered, on: each batch in an Append effect holds it until written, refused ones do not.
func (n *node) settleFrame(ev *core.Event) {
	frame := ev.Pooled()
	if frame == record.NoFrame {
		return
	}
	if !n.w.cfg.broken.releaseEarly {
		for i := range n.p.fx.Disk {
			if f := n.p.fx.Disk[i].Batch.Frame; f != record.NoFrame {
				n.p.pool.Retain(f)
			}
		}
	}
	n.p.pool.Release(frame)
}

// carryOut does what the Step asked for: publish, pin, queue for the disk, reply, report.
func (n *node) carryOut() {
	p, fx := n.p, &n.p.fx
	if fx.Publish != nil {
		n.checkImage(fx.Publish)
		p.view.Image = fx.Publish
		view := p.view
		p.env = wire.NewEnv(&view, n.prepare, nil)
	}
	extents := n.readExtents()
	if n.cut {
		return
	}
	n.queueDisk()
	for i := range fx.Replies {
		if r := &fx.Replies[i]; r.Conn == core.LoopbackConn {
			n.tell(lane{kind: core.EvAnswered}, p.loopback.Answer(r))
		} else if c := p.conns[r.Conn]; c != nil {
			c.reply(r, extents[i])
		}
	}
	for i := range fx.Calls {
		if call := &fx.Calls[i]; call.Node == n.self() {
			n.tell(lane{kind: core.EvRequest, conn: core.LoopbackConn}, p.loopback.Request(call))
		} else {
			n.callPeer(call)
		}
	}
	if !n.obeyHalts() {
		return
	}
	for i := range fx.Notes {
		switch fx.Notes[i].Kind {
		case core.NoteReady:
			p.ready = true
			n.checkRegistered()
		case core.NoteStopped:
			n.finishStop(fx.Notes[i].Fields[0].Value == "true")
			return
		case core.NoteBadSnapshot:
			n.w.reach(markSnapshotPassedOver)
		}
	}
}

// obeyHalts gives up what the core gives up; false: the process has ended. A directory may be given up in the Step with which the node stops: then it is not among
// those that stop in order.
func (n *node) obeyHalts() (lives bool) {
	p, fx := n.p, &n.p.fx
	for i := range fx.Halts {
		h := &fx.Halts[i]
		switch {
		case h.Scope == core.HaltNode && n.w.refusal.refuses(h.Reason):
			n.refused(h.Reason)
			return false
		case h.Scope == core.HaltStream && n.w.refusal.mayRefuse() && strings.Contains(h.Reason, "partition.metadata"):
			// The others are served: see judgeServed.
		case h.Scope == core.HaltNode && p.stopping && strings.HasPrefix(h.Reason, "another process registered"):
			// A broker that leaves may be replaced, as in Kafka: here by what its dead predecessor had asked for, and what came late.
			n.disk.Crash()
			n.down("halted: " + h.Reason)
			return false
		case p.dirs[h.Dir].dir.Err() == nil:
			n.w.fail(Crash, "halt", fmt.Sprintf("%s given up though no disk failed: %s", h.Scope, h.Reason))
		case h.Scope == core.HaltNode:
			n.w.reach(markWholeLost)
			n.disk.Crash()
			n.down("halted: " + h.Reason)
			return false
		case h.Scope == core.HaltDir:
			p.dirs[h.Dir].lost = true
			n.w.reach(markDirLost)
		}
	}
	return true
}

// readExtents reads what replies name, before the next Step: the host's pins last no longer.
func (n *node) readExtents() [][][]byte {
	replies := n.p.fx.Replies
	if len(replies) == 0 {
		return nil
	}
	out := make([][][]byte, len(replies))
	for i := range replies {
		f := replies[i].Fetch
		if f == nil || n.p.conns[replies[i].Conn] == nil {
			continue
		}
		for j := range f.Partitions {
			for _, x := range f.Partitions[j].Extents {
				view, ok := n.view(x.Stream)
				file, found := view.File(x.Base)
				if !ok || !found {
					panic(fmt.Sprintf("invariant: a reply names segment %d of stream %s, which is not there", x.Base, x.Stream))
				}
				b := make([]byte, x.Len)
				if _, err := file.ReadAt(b, int64(x.Pos)); err != nil {
					if n.cut {
						return out
					}
					panic(fmt.Sprintf("invariant: a reply names %s/%d@%d+%d, which cannot be read: %v", x.Stream, x.Base, x.Pos, x.Len, err))
				}
				out[i] = append(out[i], b)
			}
		}
	}
	return out
}

// prepare runs record.Prepare on a connection's behalf.
func (n *node) prepare(policy *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal) {
	n.checkPrepare(policy, data)
	return n.p.prepare.Prepare(policy, n.wall(), data, frame)
}
