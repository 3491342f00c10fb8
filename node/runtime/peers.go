package runtime

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"odradek/core"
	"odradek/core/config"
	"odradek/core/record"
	"odradek/net/tcp"
	"odradek/net/wire"
)

// The limits of connections to other nodes.
const (
	// laneCallsMax is how many calls may wait on a lane. The core asks for one thing at a time of most kinds; forwarded requests are what piles up.
	laneCallsMax = 256
	// laneSetup bounds how long a connection may take. It is shorter than Kafka's socket.connection.setup.timeout.ms (10 s): an attempt that a cut in the network swallowed
	// must not hold up the calls of a time when the network works again.
	laneSetup = 2 * time.Second
	// laneBackoff and laneBackoffMax are those of Kafka's own connections among nodes.
	laneBackoff    = 50 * time.Millisecond
	laneBackoffMax = 500 * time.Millisecond
	// answerRoom is what an answer may have beside its records; answers without records fit into it.
	answerRoom = 8 << 20
)

// peers are the connections to other nodes: one for each node and lane, made when there is something to say.
type peers struct {
	n *Node

	mu    sync.Mutex
	lanes map[laneID]*peerLane
	ended bool
}

type laneID struct {
	node record.NodeID
	lane core.Lane
}

// peerLane is one connection and what is told of it.
type peerLane struct {
	*tcp.Lane
	mu    sync.Mutex
	known bool // up says how the last attempt went
	up    bool
	lost  int64
}

// PeerState is one connection to another node, for operators.
type PeerState struct {
	Node record.NodeID
	Lane core.Lane
	Up   bool
	Lost int64 // how often it broke or could not be made
}

// call sends what the core asks of other nodes, and of this one.
func (n *Node) call() {
	for i := range n.fx.Calls {
		if call := &n.fx.Calls[i]; call.Node == n.cfg.NodeID {
			n.mailbox.put([]core.Event{n.loopback.Request(call)})
		} else {
			n.peers.call(*call)
		}
	}
}

// call is called by whoever attends the mailbox; it does not wait.
func (p *peers) call(call core.Call) {
	id := laneID{call.Node, call.Lane}
	p.mu.Lock()
	l := p.lanes[id]
	if l == nil && !p.ended {
		l = p.n.newLane(id)
		p.lanes[id] = l
	}
	p.mu.Unlock()
	if l == nil {
		p.n.answered([]wire.PeerAnswer{{Call: call.ID}})
		return
	}
	l.Call(&call)
}

// answered ends calls.
func (n *Node) answered(answers []wire.PeerAnswer) {
	events := make([]core.Event, len(answers))
	for i, a := range answers {
		events[i] = core.Event{Kind: core.EvAnswered, Call: a.Call, Answer: a.Answer, Frame: a.Frame}
	}
	if !n.mailbox.submit(events) {
		n.release(events)
	}
}

func (n *Node) newLane(id laneID) *peerLane {
	l := new(peerLane)
	var frames *tcp.Frames
	if id.lane >= core.LaneFetch { // what comes there goes to a log's file at once
		frames = n.frames
	}
	l.Lane = tcp.NewLane(tcp.LaneConfig{
		ClientID: fmt.Sprintf("node-%d-%s", n.cfg.NodeID, id.lane),
		Limits: wire.PeerLimits{QueueMax: laneCallsMax, AnswerMax: answerMax(n.cfg, id.lane), SetupMs: laneSetup.Milliseconds(), BackoffMs: laneBackoff.Milliseconds(),
			BackoffMaxMs: laneBackoffMax.Milliseconds(), IdleMs: min(n.cfg.MaxIdleMs, maxIdleMs)},
		Frames:  frames,
		Now:     func() core.Instant { return n.now().Mono },
		Answer:  n.answered,
		Changed: func(up bool, addr, reason string) { n.laneChanged(id, l, up, addr, reason) },
	})
	return l
}

// answerMax bounds an answer: what is asked for, and as much as a batch beyond that may have, which comes whole all the same.
func answerMax(cfg *config.Node, l core.Lane) int {
	asked := 0
	switch {
	case l == core.LaneQuorum:
		asked = int(cfg.Quorum.FetchMaxBytes)
	case l >= core.LaneFetch:
		asked = int(cfg.Replication.ResponseMaxBytes) + int(cfg.RequestMaxBytes)
	}
	return asked + answerRoom
}

// laneChanged writes a line when a connection comes or goes, not for each attempt that fails.
func (n *Node) laneChanged(id laneID, l *peerLane, up bool, addr, reason string) {
	l.mu.Lock()
	changed := !l.known || l.up != up
	l.known, l.up = true, up
	if !up {
		l.lost++
	}
	l.mu.Unlock()
	switch {
	case !changed:
	case up:
		n.log.Info("node connected", "node", int(id.node), "lane", id.lane.String(), "address", addr)
	default:
		n.log.Warn("node not reached", "node", int(id.node), "lane", id.lane.String(), "address", addr, "reason", reason)
	}
}

// stop ends all connections; every call that is under way ends without an answer.
func (p *peers) stop() {
	p.mu.Lock()
	p.ended = true
	lanes := make([]*peerLane, 0, len(p.lanes))
	for _, l := range p.lanes { // any order: each on its own
		lanes = append(lanes, l)
	}
	p.mu.Unlock()
	for _, l := range lanes {
		l.Stop()
	}
}

// Peers returns the connections to other nodes, by node and lane.
func (n *Node) Peers() (out []PeerState) {
	p := &n.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, l := range p.lanes { // any order: sorted below
		l.mu.Lock()
		out = append(out, PeerState{Node: id.node, Lane: id.lane, Up: l.up, Lost: l.lost})
		l.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b PeerState) int {
		if a.Node != b.Node {
			return int(a.Node - b.Node)
		}
		return int(a.Lane) - int(b.Lane)
	})
	return out
}
