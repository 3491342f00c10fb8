package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/store"
	"odradek/disk/vfs"
	"odradek/net/tcp"
	"odradek/net/wire"
)

// Env is what connections decide by now.
func (n *Node) Env() *wire.Env { return n.env.Load() }

// Frames is the pool of Produce frames.
func (n *Node) Frames() *tcp.Frames { return n.frames }

// complete takes the store's completions. The slice is the store's again when it returns.
func (n *Node) complete(events []core.Event) { n.mailbox.submit(events) }

// Submit hands requests and the ends of connections to the core. The caller may find itself attending the mailbox: running Steps, its own and others'.
func (n *Node) Submit(events []core.Event) {
	if n.mailbox.submit(events) {
		return
	}
	n.release(events)
}

// release gives back the frames of events that no Step will see.
func (n *Node) release(events []core.Event) {
	for i := range events {
		if frame := events[i].Pooled(); frame != record.NoFrame {
			n.frames.Release(frame)
		}
	}
}

// timeUp tells the core that its deadline has come.
func (n *Node) timeUp() { n.mailbox.submit([]core.Event{{Kind: core.EvTimeout}}) }

// now is the time of a Step.
func (n *Node) now() core.Now {
	t := time.Now()
	return core.Now{Mono: core.Instant(t.Sub(n.started)), Wall: record.UnixMillis(t.UnixMilli())}
}

// turn steps events and hands their effects over, once for each consumer. It is run by whoever attends the mailbox.
func (n *Node) turn(events []core.Event) {
	defer n.explain()
	began := time.Now()
	n.fx.Reset()
	clear(n.pins)
	n.pins = n.pins[:0]
	for i := range events {
		ev := &events[i]
		disk, now := len(n.fx.Disk), n.now()
		n.history.add(now.Mono, ev) // first: the event that breaks an invariant is the one looked for
		n.core.Step(now, ev, &n.fx)
		n.settleFrame(ev, disk)
		n.pin()
		if ev.Kind == core.EvTimeout {
			n.due, n.armed = false, noInstant
		}
	}
	n.steps.Add(int64(len(events)))
	n.sessions.publish(n.core.FetchSessions())
	n.count()
	if n.fx.Publish != nil {
		view := n.view
		view.Image = n.fx.Publish
		n.image.Store(n.fx.Publish)
		n.env.Store(wire.NewEnv(&view, n.prepare, n.prepareLight))
	}
	if len(n.fx.Disk)+len(n.fx.Stores)+len(n.fx.Jobs) > 0 {
		n.store.Do(n.fx.Disk, n.fx.Stores, n.fx.Jobs)
	}
	for i := range n.fx.Replies {
		if r := &n.fx.Replies[i]; r.Conn == core.LoopbackConn {
			n.mailbox.put([]core.Event{n.loopback.Answer(r)}) // this goroutine attends: it is taken in a turn to come
		} else {
			n.replies.Add(n.server, r, n.pins[i].pins)
		}
	}
	n.replies.Send()
	n.call()
	n.report()
	n.inspect()
	n.arm()
	n.traffic.busy.Add(int64(time.Since(began)))
}

// explain writes the last events before a broken invariant ends the process.
func (n *Node) explain() {
	if cause := recover(); cause != nil {
		n.dumpHistory(fmt.Sprint(cause))
		panic(cause)
	}
}

// settleFrame passes the frame of a Produce, or of what a leader answered, on: each batch in an Append effect holds it until written, refused ones do not.
func (n *Node) settleFrame(ev *core.Event, from int) {
	frame := ev.Pooled()
	if frame == record.NoFrame {
		return
	}
	for i := from; i < len(n.fx.Disk); i++ {
		if n.fx.Disk[i].Batch.Frame != record.NoFrame {
			n.frames.Retain(n.fx.Disk[i].Batch.Frame)
		}
	}
	n.frames.Release(frame)
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

// noInstant is no deadline's.
const noInstant core.Instant = -1

// arm sets the timer to the core's next deadline; while slices of longer work are left, the Timeout is due at once. One Timeout at most waits in the
// mailbox for work that is due: while completions keep it from its Step, every turn would add another one.
func (n *Node) arm() {
	at, ok := n.core.Deadline()
	if !ok {
		if n.armed != noInstant {
			n.armed = noInstant
			n.timer.Stop()
		}
		return
	}
	if at == n.armed || n.due {
		return
	}
	wait := time.Duration(at) - time.Since(n.started)
	if wait <= 0 {
		n.due, n.armed = true, noInstant
		n.mailbox.put([]core.Event{{Kind: core.EvTimeout}}) // this goroutine attends: it is taken in a turn to come
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
		level := slog.LevelInfo
		switch note.Kind {
		case core.NoteDamaged, core.NoteDiskFull:
			level = slog.LevelError
		case core.NoteUnclean, core.NoteBadSnapshot, core.NoteUnprotected:
			level = slog.LevelWarn
		}
		n.log.Log(context.Background(), level, string(note.Kind), args...)
		switch note.Kind {
		case core.NoteReady:
			close(n.ready)
		case core.NoteLeft:
			close(n.left)
		case core.NoteUnclean:
			n.traffic.unclean.Add(1)
		case core.NoteStopped:
			n.stopReport.Do(func() { close(n.ended) })
		}
	}
	for i := range n.fx.Halts {
		h := &n.fx.Halts[i]
		n.log.Error("given up", "scope", h.Scope.String(), "stream", h.Stream.String(), "dir", int(h.Dir), "reason", h.Reason)
		if h.Scope == core.HaltDir {
			n.failed = append(n.failed, h.Dir)
		}
		if h.Scope == core.HaltNode {
			reason := h.Reason
			n.stopReport.Do(func() {
				n.dumpHistory(reason)
				n.halted <- reason
				close(n.ended)
			})
		}
	}
}
