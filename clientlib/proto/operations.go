package proto

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
)

// Target says who is to answer an operation.
type Target struct {
	kind      targetKind
	broker    int32
	topic     string
	partition int32
}

type targetKind uint8

const (
	toAny targetKind = iota
	toController
	toBroker
	toLeader
)

// Any is whoever can be reached first.
func Any() Target { return Target{kind: toAny, partition: -1} }

// Controller is the broker that Metadata names so.
func Controller() Target { return Target{kind: toController, partition: -1} }

// Broker is the one with that node id.
func Broker(id int32) Target { return Target{kind: toBroker, broker: id, partition: -1} }

// Leader is the broker that leads a partition.
func Leader(topic string, partition int32) Target {
	return Target{kind: toLeader, topic: topic, partition: partition}
}

// Operation is one request that is tried until it is answered.
type Operation struct {
	Request    kmsg.Request // its version is set when it is sent
	Target     Target
	MaxVersion int16 // negative: the highest that kmsg knows
	Timeout    int64 // for all tries
	// Refused returns the error code of an answer that it may help to ask again for, None for others; nil: every answer is final. Codes that are not retriable
	// make the answer final, too.
	Refused func(kmsg.Response) errcode.Code
}

// Completion is the end of an operation.
type Completion struct {
	ID       uint64
	Response kmsg.Response // nil if Err is set
	Broker   string        // host:port of who answered
	Err      error         // an *Error
}

// operation is an Operation under way.
type operation struct {
	Operation
	id       uint64
	until    int64
	since    int64 // not before: the next try
	failures int
	sent     *peer // nil: not under way
	begun    int64
	cause    error // of the last failure
	code     errcode.Code
}

// operations are those under way, by age.
type operations struct {
	list []*operation
	last uint64
}

// Do begins an operation and returns the number by which its Completion names it. If too many are under way it fails at once.
func (c *Client) Do(now int64, o Operation) uint64 {
	c.now = max(c.now, now)
	ops := c.parts[ownOperation].(*operations)
	ops.last++
	op := &operation{Operation: o, id: ops.last, until: c.now + o.Timeout, begun: c.now}
	if len(ops.list) >= c.cfg.Operations {
		c.fx.Done = append(c.fx.Done, Completion{ID: op.id, Err: op.fail("too many operations are under way", nil)})
		return op.id
	}
	ops.list = append(ops.list, op)
	c.run(now)
	return op.id
}

// Cancel ends an operation without a Completion.
func (c *Client) Cancel(id uint64) {
	ops := c.parts[ownOperation].(*operations)
	ops.list = slices.DeleteFunc(ops.list, func(op *operation) bool { return op.id == id })
}

func (op *operation) name() string { return api.Key(op.Request.Key()).String() }

// fail is the error that an operation ends with: why, and what was heard last.
func (op *operation) fail(hint string, cause error) *Error {
	return &Error{Op: op.name(), Topic: op.Target.topic, Partition: op.Target.partition, Code: op.code, Cause: cause, Hint: hint}
}

func (o *operations) end(c *Client, op *operation, done Completion) {
	done.ID = op.id
	c.fx.Done = append(c.fx.Done, done)
	o.list = slices.DeleteFunc(o.list, func(other *operation) bool { return other == op })
}

func (o *operations) advance(c *Client) {
	for _, op := range slices.Clone(o.list) {
		switch {
		case c.now >= op.until:
			o.end(c, op, Completion{Err: op.timedOut(c)})
		case op.sent == nil && c.now >= op.since:
			o.try(c, op)
		}
	}
}

// timedOut says why an operation was not answered in its time.
func (op *operation) timedOut(c *Client) *Error {
	cause := op.cause
	if cause == nil {
		for _, p := range c.peers {
			if p.cause != nil {
				cause = p.cause
			}
		}
	}
	if op.sent == nil && op.code == errcode.None && cause != nil {
		return op.fail("is the broker running at this address? ("+cause.Error()+")", ErrUnreachable)
	}
	return op.fail("", ErrTimeout)
}

// try sends an operation if whoever is to answer it can be reached now.
func (o *operations) try(c *Client, op *operation) {
	p, err := o.target(c, op)
	if err != nil {
		o.end(c, op, Completion{Err: err})
		return
	}
	if p == nil || !c.reach(p) {
		return
	}
	if !c.ask(p, op.Request, op.MaxVersion, tag{ownOperation, op.id}, min(c.cfg.RequestTimeout, op.until-c.now)+second) {
		most := op.MaxVersion
		if most < 0 {
			most = op.Request.MaxVersion()
		}
		o.end(c, op, Completion{Err: c.unsupported(p, op.name(), api.Key(op.Request.Key()), most)})
		return
	}
	op.sent = p
}

// target returns the peer that is to answer; nil while it is not known. A topic or broker that there is not is an error when metadata newer than the operation
// say so.
func (o *operations) target(c *Client, op *operation) (*peer, error) {
	m := &c.meta
	switch t := &op.Target; t.kind {
	case toController:
		if m.heard < 0 {
			m.stale = true
			return nil, nil
		}
		if m.controller < 0 {
			return c.anyPeer(), nil
		}
		return c.peer(m.controller, forAll), nil
	case toBroker:
		if p := c.peer(t.broker, forAll); p != nil || m.heard < op.begun {
			m.stale = m.stale || p == nil
			return p, nil
		}
		return nil, op.fail("there is no such broker", ErrUnreachable)
	case toLeader:
		l, ok := m.leaderOf(t.topic, t.partition)
		if ok {
			return c.peer(l.broker, forAll), nil
		}
		topic := m.topics[t.topic]
		if topic.heard >= op.begun && (topic.code != errcode.None && topic.code != errcode.LeaderNotAvailable || topic.code == errcode.None && int(t.partition) >= len(topic.partitions)) {
			if op.code = topic.code; op.code == errcode.None {
				op.code = errcode.UnknownTopicOrPartition
			}
			m.unwant(t.topic)
			return nil, op.fail("", nil)
		}
		if topic.heard < op.begun {
			m.stale = true
		}
		return nil, nil
	}
	return c.anyPeer(), nil
}

func (o *operations) find(id uint64) *operation {
	for _, op := range o.list {
		if op.id == id {
			return op
		}
	}
	return nil
}

func (o *operations) answered(c *Client, p *peer, a *reply) {
	op := o.find(a.tag.id)
	if op == nil {
		return // its time was over, or it was cancelled
	}
	if op.Refused != nil {
		if code := op.Refused(a.resp); mayPass(code) {
			op.code, op.cause = code, nil
			o.again(c, op)
			return
		}
	}
	o.end(c, op, Completion{Response: a.resp, Broker: p.address})
}

func (o *operations) lost(c *Client, _ *peer, t tag, _ kmsg.Request, cause error) {
	if op := o.find(t.id); op != nil {
		op.code, op.cause = errcode.None, cause
		o.again(c, op)
	}
}

// again puts an operation off; what is known of the cluster may be why it failed.
func (o *operations) again(c *Client, op *operation) {
	op.sent = nil
	op.failures++
	op.since = c.now + c.backoff(c.cfg.RetryBackoff, c.cfg.RetryBackoffMax, op.failures)
	c.meta.stale = true
}

func (o *operations) deadline(c *Client) (at int64, ok bool) {
	soonest := func(t int64) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, op := range o.list {
		soonest(op.until)
		if op.sent == nil && op.since > c.now {
			soonest(op.since)
		}
	}
	return at, ok
}
