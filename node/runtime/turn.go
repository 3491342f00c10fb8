package runtime

import (
	"time"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/store"
	"odradek/disk/vfs"
	"odradek/net/tcp"
	"odradek/net/wire"
)

// turnEvents is how many events are stepped before their effects are handed over: enough to share a write, few enough that the first of them does not
// wait long.
const turnEvents = 64

// Env is what connections decide by now.
func (n *Node) Env() *wire.Env { return n.env.Load() }

// Frames is the pool of Produce frames.
func (n *Node) Frames() *tcp.Frames { return n.frames }

// complete takes the store's completions. The slice is the store's again when it returns.
func (n *Node) complete(events []core.Event) { n.submit(events) }

// Submit hands a request or the end of a connection to the core.
func (n *Node) Submit(ev core.Event) { n.submit([]core.Event{ev}) }

// submit hands events to the core. The caller may find itself attending the mailbox: running Steps, its own and others', until it is empty.
func (n *Node) submit(events []core.Event) {
	if !n.mailbox.put(events) {
		return
	}
	for {
		batch := n.mailbox.take(n.batch, turnEvents)
		if len(batch) == 0 {
			return // take has ended the attendance: batch, fx and the rest may be another goroutine's by now
		}
		n.batch = batch
		n.turn()
	}
}

// now is the time of a Step.
func (n *Node) now() core.Now {
	t := time.Now()
	return core.Now{Mono: core.Instant(t.Sub(n.started)), Wall: record.UnixMillis(t.UnixMilli())}
}

// turn steps the events of a batch and hands their effects over, once for each consumer.
func (n *Node) turn() {
	n.fx.Reset()
	clear(n.pins)
	n.pins = n.pins[:0]
	for i := range n.batch {
		ev := &n.batch[i]
		disk := len(n.fx.Disk)
		n.core.Step(n.now(), ev, &n.fx)
		n.history.add(ev)
		n.settleFrame(ev, disk)
		n.pin()
		n.batch[i] = core.Event{}
	}
	if n.fx.Publish != nil {
		view := n.view
		view.Image = n.fx.Publish
		n.env.Store(wire.NewEnv(&view, n.prepare))
	}
	if len(n.fx.Disk)+len(n.fx.Stores)+len(n.fx.Jobs) > 0 {
		n.store.Do(n.fx.Disk, n.fx.Stores, n.fx.Jobs)
	}
	for i := range n.fx.Replies {
		n.server.Reply(&n.fx.Replies[i], n.pins[i].pins)
	}
	n.report()
	n.arm()
}

// settleFrame passes the frame of a Produce on: each batch in an Append effect holds it until written, refused ones do not. The request, which the history
// keeps, names its bytes no longer.
func (n *Node) settleFrame(ev *core.Event, from int) {
	if ev.Kind != core.EvRequest || ev.Request.Frame == record.NoFrame {
		return
	}
	for i := from; i < len(n.fx.Disk); i++ {
		if n.fx.Disk[i].Batch.Frame != record.NoFrame {
			n.frames.Retain(n.fx.Disk[i].Batch.Frame)
		}
	}
	n.frames.Release(ev.Request.Frame)
	for i := range ev.Request.Produce.Partitions {
		ev.Request.Produce.Partitions[i].Batch.Data = nil
	}
}

// pin holds the files that the replies of the last Step name.
func (n *Node) pin() {
	for i := len(n.pins); i < len(n.fx.Replies); i++ {
		var held []tcp.Pin
		if f := n.fx.Replies[i].Fetch; f != nil {
			for j := range f.Partitions {
				for _, x := range f.Partitions[j].Extents {
					pin, err := n.store.Pin(x)
					if err != nil {
						panic("invariant: a reply names bytes that are not there: " + err.Error())
					}
					held = append(held, storePin{pin})
				}
			}
		}
		n.pins = append(n.pins, replyPins{held})
	}
}

// storePin is a store's pin as the connections want it.
type storePin struct{ pin store.Pin }

func (p storePin) File() vfs.File { return p.pin.File }
func (p storePin) Off() int64     { return p.pin.Off }
func (p storePin) Len() int64     { return p.pin.Len }
func (p storePin) Release()       { p.pin.Release() }

// prepare runs record.Prepare with a buffer of its own.
func (n *Node) prepare(p *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal) {
	preparer := n.prepares.Get().(*record.Preparer)
	defer n.prepares.Put(preparer)
	return preparer.Prepare(p, wall(), data, frame)
}

// arm sets the timer to the core's next deadline; while slices of longer work are left, the Timeout is due at once.
func (n *Node) arm() {
	at, ok := n.core.Deadline()
	if !ok || at == n.armed {
		return
	}
	wait := time.Duration(at) - time.Since(n.started)
	if wait <= 0 {
		n.mailbox.put([]core.Event{{Kind: core.EvTimeout}}) // this goroutine attends: it is taken in the next turn
		n.armed = 0
		return
	}
	n.armed = at
	n.timer.Reset(wait)
}

// report tells operators what changed, and stops what the core gave up.
func (n *Node) report() {
	for i := range n.fx.Notes {
		note := &n.fx.Notes[i]
		args := make([]any, 0, 2*len(note.Fields))
		for _, f := range note.Fields {
			args = append(args, f.Key, f.Value)
		}
		n.log.Info(string(note.Kind), args...)
		if note.Kind == core.NoteReady {
			close(n.ready)
		}
	}
	for i := range n.fx.Halts {
		h := &n.fx.Halts[i]
		n.log.Error("given up", "scope", h.Scope.String(), "stream", h.Stream.String(), "dir", int(h.Dir), "reason", h.Reason)
		if h.Scope == core.HaltNode {
			reason := h.Reason
			n.stopReport.Do(func() {
				n.dumpHistory(reason)
				n.halted <- reason
			})
		}
	}
}
