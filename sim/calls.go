package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/net/wire"
	"odradek/sim/simnet"
)

// peerLimits are those of lanes to other nodes.
var peerLimits = wire.PeerLimits{QueueMax: 64, AnswerMax: frameMax, SetupMs: 2000, BackoffMs: 20, BackoffMaxMs: 500, IdleMs: 30_000}

// peer is one lane of a process to another node: the machine of net/wire, and the connection that it has, if it has one.
type peer struct {
	n     *node
	life  uint32
	place int // in process.peers
	to    record.NodeID
	lane  core.Lane
	m     *wire.Peer
	ch    *channel
	fx    wire.PeerEffects
	armed Time // of the evPeer that is coming; 0: none
}

// callPeer brings a call to another node on its way.
func (n *node) callPeer(call *core.Call) {
	p := n.p
	var l *peer
	for _, other := range p.peers {
		if other.to == call.Node && other.lane == call.Lane {
			l = other
		}
	}
	if l == nil {
		var pool wire.Pool
		if call.Lane >= core.LaneFetch {
			pool = p.pool
		}
		l = &peer{n: n, life: n.life, place: len(p.peers), to: call.Node, lane: call.Lane, m: wire.NewPeer(n.name, peerLimits, pool)}
		p.peers = append(p.peers, l)
	}
	l.m.Call(n.mono(), call, &l.fx)
	l.carryOut()
}

// carryOut does what the machine wants.
func (l *peer) carryOut() {
	fx, w := l.fx, l.n.w
	l.fx = wire.PeerEffects{}
	if fx.Hangup && l.ch != nil {
		l.ch.reset(w.network.IntN(2) == 0)
		l.ch.net.Learn(simnet.Client)
		l.ch = nil
	}
	if fx.Dial != "" {
		l.ch = w.dial(l, fmt.Sprintf("%s-%v", l.n.name, l.lane), fx.Dial)
		l.ch.from, l.ch.fromLife = l.n, l.life
	}
	if len(fx.Write) > 0 && l.ch != nil { // else it was for a connection that is given up
		l.ch.send(simnet.Client, fx.Write)
		spoil(fx.Write)
	}
	for _, a := range fx.Answers { // each comes when it likes
		ev := core.Event{Kind: core.EvAnswered, Call: a.Call, Answer: a.Answer, Frame: a.Frame}
		w.after(w.opt.Core.draw(&l.n.rng), event{kind: evCore, who: l.n.id, life: l.life, core: &ev})
	}
	if due, ok := l.m.Due(); ok {
		at := max(w.now, l.n.p.started+Time(due))
		if l.armed == 0 || at < l.armed {
			l.armed = at
			w.at(event{kind: evPeer, at: at, who: l.n.id, life: l.life, n: uint64(l.place)})
		}
	}
}

// due is called when something may be: a time that was moved is waited for anew.
func (l *peer) due(at Time) {
	if l.armed > at {
		return
	}
	l.armed = 0
	l.m.Timeout(l.n.mono(), &l.fx)
	l.carryOut()
}

// connected tells how an attempt to connect ended.
func (l *peer) connected(ch *channel, ok bool) {
	if l.ch != ch {
		return
	}
	if ok {
		l.m.Connected(l.n.mono(), &l.fx)
	} else {
		l.ch = nil
		l.m.Lost(l.n.mono(), "refused", &l.fx)
	}
	l.carryOut()
}

// arrived takes bytes of answers.
func (l *peer) arrived(ch *channel, p []byte) {
	if l.ch != ch {
		return
	}
	l.m.Received(l.n.mono(), p, &l.fx)
	spoil(p)
	l.carryOut()
}

// lost tells that the connection is gone.
func (l *peer) lost(ch *channel) {
	if l.ch != ch {
		return
	}
	l.ch = nil
	l.m.Lost(l.n.mono(), "reset", &l.fx)
	l.carryOut()
}
