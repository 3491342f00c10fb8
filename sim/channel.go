package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/net/wire"
	"odradek/sim/simnet"
)

// channel is one connection between a client's line, or another node, and a node, from the first attempt on.
type channel struct {
	w          *World
	id         int32
	name       string
	end        clientEnd
	node       *node
	control    bool   // it leads to the node's controller
	from       *node  // nil: a client's
	fromLife   uint32 // of the process that dialled
	net        simnet.Conn
	server     *serverConn
	life       uint32 // of the process that accepted it
	powers     int    // power losses of the node before that process
	since      int64  // the event in which it was accepted
	taken      bool   // it was accepted
	broken     bool   // it was reset, or refused
	losesReply bool   // it breaks when the next answer is about to be sent
	times      []int64
}

// serverConn is the node's end.
type serverConn struct {
	n       *node
	ch      *channel
	id      core.ConnID
	machine *wire.Conn
	reader  *wire.FrameReader
	in      []byte // arrived, not yet read
	held    wire.Frame
	holds   bool     // held has come and is not yet admitted
	extents [][]byte // of the Fetch reply that is next: a Fetch is alone in flight
	sums    []produceSum
	heard   []heard
	fetch   fetchAsked
}

// produceSum is what an oracle remembers of a Produce in flight: the batches as they were decoded.
type produceSum struct {
	correlation int32
	acks        int16
	batches     []record.Batch // by partition of the request; Data is not kept
}

// clientEnd is a client's end of channels.
type clientEnd interface {
	connected(ch *channel, ok bool)
	arrived(ch *channel, p []byte)
	lost(ch *channel)
}

// dial begins a connection to an address.
func (w *World) dial(end clientEnd, name, addr string) *channel {
	to, control := w.listens(addr)
	if to == nil {
		w.fail(Correctness, "metadata", name+" is told to connect to "+addr)
		to = w.nodes[0]
	}
	ch := &channel{w: w, id: int32(len(w.links)), end: end, node: to, control: control}
	ch.name = fmt.Sprintf("%s/%d", name, ch.id)
	w.links = append(w.links, ch)
	w.after(Time(w.opt.Network.Delay(&w.network)), event{kind: evConnect, who: ch.id})
	return ch
}

// connect reaches the node: it accepts once it is ready.
func (ch *channel) connect(e *event) {
	n := ch.node
	if until := max(n.pausedUntil, ch.heldUp(simnet.Server)); ch.w.now < until {
		e.at = until
		ch.w.heap.push(*e)
		return
	}
	if n.listening(ch.control) && !ch.broken {
		n.accept(ch)
	} else {
		ch.broken = true
	}
	ch.w.after(Time(ch.w.opt.Network.Delay(&ch.w.network)), event{kind: evAnswered, who: ch.id})
}

func (n *node) accept(ch *channel) {
	p := n.p
	p.last++
	c := &serverConn{n: n, ch: ch, id: p.last, reader: wire.NewFrameReader(p.pool, wire.DefaultFrameMax)}
	c.machine = wire.NewConn(wire.Info{Conn: c.id, Listener: listenerName(ch.control), Control: ch.control, Address: n.address(ch.control), Peer: ch.name, Principal: "User:ANONYMOUS"})
	p.conns[c.id] = c
	ch.server, ch.taken, ch.life, ch.powers, ch.since = c, true, n.life, n.powers, int64(n.w.events)
	if !n.w.alone() {
		ch.powers = n.w.ledger.powers // what a node serves may have been on others' disks
	}
	for side := range n.shut {
		ch.net.Stall(simnet.Side(side), int64(ch.heldUp(simnet.Side(side))))
	}
}

// answered tells the client how its attempt ended.
func (ch *channel) answered(e *event) {
	if until := max(ch.heldUp(simnet.Client), ch.sleeps()); ch.w.now < until {
		e.at = until
		ch.w.heap.push(*e)
		return
	}
	if ch.orphaned() {
		return
	}
	ch.end.connected(ch, ch.taken && !ch.net.Gone(simnet.Client))
}

// send takes bytes that one side sends.
func (ch *channel) send(from simnet.Side, p []byte) {
	w := ch.w
	ch.times = ch.net.Send(from, int64(w.now), p, ch.weather(), &w.network, ch.times[:0])
	for _, at := range ch.times {
		w.at(event{kind: evArrive, at: Time(at), who: ch.id, n: uint64(from.Other())})
	}
}

// arrive brings the next piece to a side.
func (ch *channel) arrive(e *event) {
	side := simnet.Side(e.n)
	if n := ch.node; side == simnet.Server {
		if ch.life != n.life {
			return
		}
		if ch.w.now < n.pausedUntil {
			e.at = n.pausedUntil
			ch.w.heap.push(*e)
			return
		}
	} else if ch.orphaned() {
		return
	} else if until := ch.sleeps(); ch.w.now < until {
		e.at = until
		ch.w.heap.push(*e)
		return
	}
	piece, later := ch.net.Arrive(side, int64(ch.w.now))
	switch {
	case later > 0:
		e.at = Time(later)
		ch.w.heap.push(*e)
	case len(piece) == 0:
	case side == simnet.Client:
		if ch.life != ch.node.life {
			ch.w.reach(markStaleAfterStop)
		}
		ch.end.arrived(ch, piece)
	default:
		ch.server.arrived(piece)
		ch.node.settle()
	}
}

// reset breaks the connection; both sides learn of it in time.
func (ch *channel) reset(lose bool) {
	if ch.broken {
		return
	}
	ch.broken = true
	learned := ch.net.Reset(int64(ch.w.now), lose, &ch.w.opt.Network, &ch.w.network)
	for side, at := range learned {
		ch.w.at(event{kind: evLearn, at: Time(at), who: ch.id, n: uint64(side)})
	}
}

// stall holds one direction up.
func (ch *channel) stall(toClient bool, d Time) {
	to := simnet.Server
	if toClient {
		to = simnet.Client
	}
	ch.net.Stall(to, int64(ch.w.now+d))
}

// clog has nothing arrive at either side before a time.
func (ch *channel) clog(until Time) {
	ch.net.Stall(simnet.Client, int64(until))
	ch.net.Stall(simnet.Server, int64(until))
}

// halfOpen breaks the connection; one side learns of it in time, the other after d if it does not find out by itself.
func (ch *channel) halfOpen(clientLate bool, d Time) {
	late := simnet.Server
	if clientLate {
		late = simnet.Client
	}
	ch.broken = true
	learned := ch.net.Reset(int64(ch.w.now), true, &ch.w.opt.Network, &ch.w.network)
	learned[late] += int64(d)
	for side, at := range learned {
		ch.w.at(event{kind: evLearn, at: Time(at), who: ch.id, n: uint64(side)})
	}
}

// learn tells one side that the connection is broken.
func (ch *channel) learn(side simnet.Side) {
	if ch.net.Gone(side) {
		return
	}
	ch.net.Learn(side)
	if side == simnet.Client {
		if !ch.orphaned() {
			ch.end.lost(ch)
		}
		return
	}
	if c := ch.server; c != nil && ch.life == ch.node.life {
		c.close()
	}
}

// breakLinks breaks every connection of a node whose process has ended.
func (w *World) breakLinks(n *node) {
	for _, ch := range w.links {
		if ch.node == n && ch.taken || ch.from == n {
			ch.reset(w.network.IntN(2) == 0)
		}
	}
}

// arrived takes bytes in and serves what is complete.
func (c *serverConn) arrived(piece []byte) {
	c.in = append(c.in, piece...)
	c.pump()
}

// pump reads on as far as the machine admits requests.
func (c *serverConn) pump() {
	for c.n.p != nil && c.n.p.conns[c.id] == c {
		if !c.holds {
			if !c.machine.CanRead() {
				return
			}
			f, ok, err := c.reader.Next()
			if err != nil {
				c.refuse("frame", err)
				return
			}
			if !ok {
				if len(c.in) == 0 {
					return
				}
				k := copy(c.reader.Buffer(), c.in)
				c.reader.Filled(k)
				c.in = c.in[k:]
				continue
			}
			c.held, c.holds = f, true
		}
		if !c.machine.Admits(c.held.Key) {
			return
		}
		c.holds = false
		c.serve(c.held)
	}
}

// serve takes one request through the machine to the core, as the production server does.
func (c *serverConn) serve(f wire.Frame) {
	p := c.n.p
	v, err := c.machine.Frame(p.env, f)
	if err != nil {
		if f.ID != record.NoFrame {
			p.pool.Release(f.ID)
		}
		c.refuse("request", err)
		return
	}
	if v.Batches == 0 && f.ID != record.NoFrame {
		p.pool.Release(f.ID)
		if v.Request != nil {
			v.Request.Frame = record.NoFrame
		}
	}
	if v.Submit && v.Request.Key == api.Metadata { // topics are not created by it here
		c.n.w.fail(Correctness, "work", c.ch.name+": the core is asked for metadata that were published")
	}
	if v.Submit {
		c.remember(v.Request)
		c.expectFetch(v.Request)
		c.n.tell(lane{kind: core.EvRequest, conn: c.id}, core.Event{Kind: core.EvRequest, Conn: c.id, Request: v.Request})
	}
	c.flush()
}

// refuse closes the connection of a client that breaks the protocol; none of ours may.
func (c *serverConn) refuse(what string, err error) {
	if l, ok := c.ch.end.(*line); !ok || l.hears == nil {
		c.n.w.fail(Correctness, "protocol", "a "+what+" of our client is refused: "+err.Error())
		return
	}
	c.close()
	c.ch.reset(false)
}

// remember keeps what the batches of a Produce say of themselves, for the oracles that look at the disk.
func (c *serverConn) remember(r *core.Request) {
	if r.Produce == nil {
		return
	}
	l := &c.n.w.ledger
	for i := range r.Produce.Partitions {
		l.batchMost = max(l.batchMost, record.Offset(r.Produce.Partitions[i].Batch.Count))
	}
	if c.n.w.cfg.BlackBox {
		return
	}
	s := produceSum{correlation: r.Correlation, acks: r.Produce.Acks}
	for i := range r.Produce.Partitions {
		b := r.Produce.Partitions[i].Batch
		b.Data = nil
		s.batches = append(s.batches, b)
	}
	c.sums = append(c.sums, s)
}

// reply takes the core's answer and sends what may be sent.
func (c *serverConn) reply(r *core.Reply, extents [][]byte) {
	if r.Produce != nil {
		c.inspect(r)
	}
	if r.Fetch != nil {
		if c.ch.from == nil {
			c.hintedFetch(r.Fetch)
		}
		c.answeredFetch(r, extents)
	}
	c.inspectAnswer(r)
	if err := c.machine.Reply(r); err != nil {
		c.n.w.fail(Crash, "reply", "the core and the connection disagree: "+err.Error())
		return
	}
	c.extents = append(c.extents, extents...)
	c.flush()
	c.pump()
}

// inspect shows a Produce answer to the oracle of durability, before anybody else sees it.
func (c *serverConn) inspect(r *core.Reply) {
	for i := range c.sums {
		if c.sums[i].correlation != r.Correlation {
			continue
		}
		s := c.sums[i]
		c.sums = append(c.sums[:i], c.sums[i+1:]...)
		for j := range r.Produce.Partitions {
			switch r.Produce.Partitions[j].Err {
			case errcode.OutOfOrderSequenceNumber:
				c.n.w.reach(markOutOfOrder)
			case errcode.KafkaStorageError:
				c.n.w.reach(markRefusedFull)
			}
			if res := &r.Produce.Partitions[j]; res.Err == errcode.None && s.acks != 0 {
				c.n.checkDurable(res, &s.batches[j], s.acks, len(s.batches) == 1)
			}
		}
		return
	}
}

// flush sends every response that is there, in order.
func (c *serverConn) flush() {
	for {
		out, ok := c.machine.Next()
		if !ok {
			return
		}
		if out.Close {
			c.ch.reset(false)
			return
		}
		var bytes []byte
		for _, piece := range out.Pieces {
			if piece.IsExtent {
				bytes = append(bytes, c.extents[0]...)
				c.extents = c.extents[1:]
			} else {
				bytes = append(bytes, piece.Bytes...)
			}
		}
		if c.ch.losesReply && !c.ch.broken {
			c.n.w.struck(replyLost, c.ch.name)
			c.ch.reset(true)
		}
		c.ch.send(simnet.Server, bytes)
	}
}

// close ends the node's end. The core hears of it after what it was told before.
func (c *serverConn) close() {
	p := c.n.p
	if p == nil || p.conns[c.id] != c {
		return
	}
	c.lateFetch()
	c.unheard()
	c.machine.Close()
	if c.holds && c.held.ID != record.NoFrame {
		p.pool.Release(c.held.ID)
	}
	c.reader.Close()
	delete(p.conns, c.id)
	c.n.tell(lane{kind: core.EvRequest, conn: c.id}, core.Event{Kind: core.EvConnClosed, Conn: c.id})
}
