package core

import (
	"odradek/core/api"
)

// Loopback carries the calls that a node makes to itself: whoever runs a Core turns each into a Request on LoopbackConn, and the Reply to that into Answered.
// It is the runtime's and the simulator's; the core itself knows nothing of it. The zero value is ready.
type Loopback struct {
	last  int32
	calls map[int32]*Call // by correlation
}

// Request returns the event that brings a call of this node to itself. The core owns the call's body from here on.
func (l *Loopback) Request(call *Call) Event {
	if l.calls == nil {
		l.calls = map[int32]*Call{}
	}
	l.last++
	kept := *call
	l.calls[l.last] = &kept
	return Event{Kind: EvRequest, Request: &Request{Conn: LoopbackConn, Correlation: l.last, Key: api.Key(call.Body.Key()), Version: call.Body.GetVersion(), Body: call.Body}}
}

// Answer returns the event that ends the call which a reply on LoopbackConn answers. A call whose time is up has no reply yet: it stays until there is one, and
// the core, which parks no request for longer than its timeout, gives one.
func (l *Loopback) Answer(reply *Reply) Event {
	call, ok := l.calls[reply.Correlation]
	if !ok {
		panic("invariant: a reply to a call that this node did not make")
	}
	delete(l.calls, reply.Correlation)
	reply.Body.SetVersion(call.Body.GetVersion())
	return Event{Kind: EvAnswered, Call: call.ID, Answer: reply.Body}
}
