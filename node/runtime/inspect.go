package runtime

import (
	"context"
	"errors"
	"sync/atomic"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/stream"
)

// inspectedPerTurn bounds what one turn looks at: requests go on meanwhile.
const inspectedPerTurn = 256

// inspection is a look at all replicas under way.
type inspection struct {
	at   core.Place
	out  []core.PartitionState
	done chan []core.PartitionState
}

// Partitions returns the state of each replica, looked at in slices of turns.
func (n *Node) Partitions(ctx context.Context) ([]core.PartitionState, error) {
	i := &inspection{done: make(chan []core.PartitionState, 1)}
	select {
	case n.inspections <- i:
	case <-n.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.timeUp() // a turn
	select {
	case out := <-i.done:
		return out, nil
	case <-n.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var errEnded = errors.New("the node has ended")

// inspect carries an inspection on, at the end of a turn.
func (n *Node) inspect() {
	if n.inspecting == nil {
		select {
		case n.inspecting = <-n.inspections:
		default:
			return
		}
	}
	i, more := n.inspecting, false
	if i.out, i.at, more = n.core.Inspect(i.at, inspectedPerTurn, i.out); !more {
		i.done <- i.out
		n.inspecting = nil
	}
	if more || len(n.inspections) > 0 {
		n.mailbox.put([]core.Event{{Kind: core.EvTimeout}}) // this goroutine attends: the rest is done in turns to come
	}
}

// Image returns the published metadata.
func (n *Node) Image() *image.Image { return n.image.Load() }

// Connections returns how many connections are open.
func (n *Node) Connections() int { return n.server.Connections() }

// Traffic counts what passed through the node since its start.
type Traffic struct {
	ProduceRequests, FetchRequests, FailedProduceRequests int64
	MessagesIn, BytesIn, BytesOut                         int64 // records of clients, and the bytes of their batches
}

// traffic is Traffic where others may read it.
type traffic struct {
	produces, fetches, failed, messages, in, out atomic.Int64
}

// add counts a turn: one atomic operation for each counter that moves, whatever the number of events.
func (t *traffic) add(now *Traffic) {
	for _, c := range [...]struct {
		to *atomic.Int64
		by int64
	}{{&t.produces, now.ProduceRequests}, {&t.fetches, now.FetchRequests}, {&t.failed, now.FailedProduceRequests},
		{&t.messages, now.MessagesIn}, {&t.in, now.BytesIn}, {&t.out, now.BytesOut}} {
		if c.by != 0 {
			c.to.Add(c.by)
		}
	}
}

// Traffic returns the counters.
func (n *Node) Traffic() Traffic {
	t := &n.traffic
	return Traffic{ProduceRequests: t.produces.Load(), FetchRequests: t.fetches.Load(), FailedProduceRequests: t.failed.Load(),
		MessagesIn: t.messages.Load(), BytesIn: t.in.Load(), BytesOut: t.out.Load()}
}

// count counts what the effects of a turn tell. The core answers every request once, also a Produce whose client wants no answer.
func (n *Node) count() {
	var now Traffic
	for i := range n.fx.Disk {
		if op := &n.fx.Disk[i]; op.Kind == core.DiskAppend && op.Stream != stream.Metadata {
			now.MessagesIn += int64(op.Batch.Count)
			now.BytesIn += int64(op.Batch.Size)
		}
	}
	for i := range n.fx.Replies {
		switch r := &n.fx.Replies[i]; {
		case r.Produce != nil:
			now.ProduceRequests++
			for j := range r.Produce.Partitions {
				if r.Produce.Partitions[j].Err != errcode.None {
					now.FailedProduceRequests++
				}
			}
		case r.Fetch != nil:
			now.FetchRequests++
			for j := range r.Fetch.Partitions {
				now.BytesOut += r.Fetch.Partitions[j].Size()
			}
		}
	}
	n.traffic.add(&now)
}
