package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// calling is a call under way: whose it is, and what it takes to read its answer.
type calling struct {
	node record.NodeID
	body kmsg.Request
	done func(c *Core, resp kmsg.Response) // resp is nil: no answer came. Called once
}

// callTimeoutMs bounds how long a node waits for another one's answer (Kafka's controller.quorum.request.timeout.ms).
const callTimeoutMs = 2000

// call asks another node, or this one, for something. done is called with the answer, exactly once in this incarnation.
func (c *Core) call(node record.NodeID, addr string, lane Lane, body kmsg.Request, done func(*Core, kmsg.Response)) {
	c.callWithin(node, addr, lane, callTimeoutMs, body, done)
}

// callWithin is call with a bound of its own.
func (c *Core) callWithin(node record.NodeID, addr string, lane Lane, timeoutMs int32, body kmsg.Request, done func(*Core, kmsg.Response)) {
	id := CallID(c.newID())
	if c.calls == nil {
		c.calls = map[CallID]*calling{}
	}
	c.calls[id] = &calling{node, body, done}
	c.fx.Calls = append(c.fx.Calls, Call{ID: id, Node: node, Addr: addr, Lane: lane, TimeoutMs: timeoutMs, Body: body})
}

// askController asks the active controller for something, as far as this node knows one. done gets nil, possibly at once, when it knows none or no answer came:
// who asks again does so after a while.
func (c *Core) askController(body kmsg.Request, done func(*Core, kmsg.Response)) {
	c.askControllerOn(LaneControl, callTimeoutMs, body, done)
}

func (c *Core) askControllerOn(lane Lane, timeoutMs int32, body kmsg.Request, done func(*Core, kmsg.Response)) {
	leader := c.meta.quorum.LeaderID()
	addr, ok := c.cfg.Voter(leader)
	if leader == record.NoNode || !ok {
		done(c, nil)
		return
	}
	c.callWithin(leader, addr, lane, timeoutMs, body, done)
}

// onAnswered ends a call. What is not known is of an earlier incarnation.
func (c *Core) onAnswered(ev *Event) {
	w, ok := c.calls[ev.Call]
	if !ok {
		return
	}
	delete(c.calls, ev.Call)
	answer := ev.Answer
	if answer != nil && answer.Key() != w.body.Key() {
		answer = nil // of something else: none
	}
	c.frame = ev.Frame
	w.done(c, answer)
	c.frame = record.NoFrame
}

// callQuorum sends what the quorum's machine asks of another voter.
func (c *Core) callQuorum(call quorum.Call) {
	addr, ok := c.cfg.Voter(call.To)
	if !ok {
		panic(fmt.Sprintf("invariant: a call to node %d, which is no voter", call.To))
	}
	c.call(call.To, addr, LaneQuorum, call.Body, func(c *Core, resp kmsg.Response) {
		c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Answered(now, call, resp, f) })
	})
}

// onTruncated goes on with a log that was cut.
func (c *Core) onTruncated(id stream.ID, g stream.Generation, o *Opened) {
	if id == stream.Metadata {
		c.metadataTruncated(g, o)
		return
	}
	c.replicaTruncated(id, g, o)
}
