package sim

import (
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// fetchMax is how long a fetch may take beyond what it is to wait, where neither a pause nor a slow disk came between.
const fetchMax = 1200 * Millisecond

// newsLate is how long a node may tell less of a durable partition than was acknowledged: longer than one that has just started needs to sync what it kept on a
// slow disk.
const newsLate = 20 * Second

// asked is a Fetch in flight, as the oracles remember it.
type fetchAsked struct {
	correlation int32
	at          Time
	request     *api.FetchRequest
	offsets     []record.Offset // as they were when it was asked
}

// expectFetch notes a Fetch that the core is about to get. When it is answered, or nobody waits for it any more, it must not be late; one in eight is looked for when it
// must long be answered, too.
func (c *serverConn) expectFetch(r *core.Request) {
	w := c.n.w
	if r.Fetch == nil || w.cfg.BlackBox || c.ch.from != nil { // replicas fetch by other rules
		return
	}
	c.fetch = fetchAsked{correlation: r.Correlation, at: w.now, request: r.Fetch}
	if r.Correlation%8 == 0 {
		w.after(Time(r.Fetch.MaxWaitMs)*Millisecond+fetchMax+1, event{kind: evFetchDue, who: c.ch.id, n: uint64(r.Correlation), life: c.n.life})
	}
}

// fetchDue looks for a Fetch that must be answered by now.
func (w *World) fetchDue(e *event) {
	ch := w.links[e.who]
	if c := ch.server; e.life == ch.node.life && ch.node.p.conns[c.id] == c && c.fetch.correlation == int32(e.n) {
		c.lateFetch()
	}
}

// lateFetch fails the run if a Fetch is under way that should have been answered.
func (c *serverConn) lateFetch() {
	if c.fetch.request == nil || c.n.p.stopping {
		return
	}
	due, n := c.fetch.at+Time(c.fetch.request.MaxWaitMs)*Millisecond, c.n
	if n.w.now > due+fetchMax && max(n.pausedUntil, n.slowUntil+slowMost) < due {
		n.w.fail(Liveness, "L4", fmt.Sprintf("%s: fetch #%d is not answered %s after its time", c.ch.name, c.fetch.correlation, n.w.now-due))
	}
}

// answeredFetch looks at a Fetch answer before anybody else does.
func (c *serverConn) answeredFetch(r *core.Reply, extents [][]byte) {
	q := c.fetch.request
	if q == nil || c.fetch.correlation != r.Correlation {
		return
	}
	c.lateFetch()
	c.n.repeated(q, r.Fetch)
	at := c.fetch.at
	c.fetch.request = nil
	n, empty := c.n, len(extents) == 0
	failed := slices.ContainsFunc(r.Fetch.Partitions, func(p api.FetchResult) bool { return p.Err != errcode.None })
	switch waited := n.w.now - at; {
	case empty && q.MaxWaitMs > 0 && waited >= Time(q.MaxWaitMs)*Millisecond:
		n.w.reach(markParkedExpired)
	case !empty && waited > 300*Millisecond:
		n.w.reach(markParkedWoken)
	}
	for i := range r.Fetch.Partitions {
		p := &r.Fetch.Partitions[i]
		id, ok := n.idOf(p)
		if !ok {
			continue
		}
		o := n.watch(id)
		bytes := extents[:len(p.Extents)]
		extents = extents[len(p.Extents):]
		if o.part == nil || p.Err != errcode.None {
			continue
		}
		n.told(o, p, at)
		if len(bytes) > 1 {
			n.w.reach(markManyExtents)
		}
		if !o.hurt() && o.part.doubts == 0 {
			n.served(o, p, bytes)
		}
		if empty && !failed && q.SessionEpoch == api.FinalSessionEpoch && n.w.alone() { // the answer is then in the order of the request, and has no error to tell
			n.nothing(o, id, q.Partitions[i].Offset)
		}
	}
}

// idOf is the stream of a partition in an answer.
func (n *node) idOf(p *api.FetchResult) (stream.ID, bool) {
	t, ok := n.p.view.Image.Topic(p.Topic)
	if !ok {
		return stream.ID{}, false
	}
	return stream.ID{Topic: t.ID, Partition: p.Partition}, true
}

// told: of a durable topic, what was acknowledged is told sooner or later, to readers with and without sessions.
func (n *node) told(o *watched, p *api.FetchResult, asked Time) {
	switch {
	case !o.topic.Durable() || p.HighWatermark >= o.part.ackedEnd || !n.w.alone():
		o.behind = 0
	case o.behind == 0:
		o.behind = n.w.now
	case asked-o.behind > newsLate:
		n.w.fail(Liveness, "L4", fmt.Sprintf("%s: the high watermark is told as %d for %s, and offsets below %d are acknowledged", o.name, p.HighWatermark, n.w.now-o.behind,
			o.part.ackedEnd))
	}
}

// nothing: an answer without any records is one only if there are none.
func (n *node) nothing(o *watched, id stream.ID, offset record.Offset) {
	s, ok := n.p.core.Look(id)
	if end := min(s.HighWatermark, s.Written); ok && !s.Failed && s.Leading && !o.hurt() && offset >= s.LogStart && offset < end {
		n.w.fail(Liveness, "L4", fmt.Sprintf("%s: a fetch at %d is answered without records, and offsets below %d can be read", o.name, offset, end))
	}
}

// served: what is served lies below the high watermark, follows upon one another, and is what was served before (R4).
func (n *node) served(o *watched, p *api.FetchResult, extents [][]byte) {
	o.powered(n)
	if o.batches == nil {
		o.batches = map[record.Offset]uint32{}
	}
	next := record.NoOffset
	for _, x := range extents {
		it := record.Batches(x)
		for it.Next() {
			b := &it.Batch
			switch old, seen := o.batches[b.BaseOffset]; {
			case seen && old != b.CRC:
				n.broken("R4", o, "the batch at %d was served with CRC %08x, and is now with %08x", b.BaseOffset, old, b.CRC)
			case b.NextOffset() > p.HighWatermark:
				n.broken("R4", o, "offsets up to %d are served, and the high watermark is %d", b.LastOffset(), p.HighWatermark)
			case next != record.NoOffset && b.BaseOffset != next:
				n.broken("R4", o, "offset %d is served behind %d", b.BaseOffset, next-1)
			}
			o.batches[b.BaseOffset] = b.CRC
			next = b.NextOffset()
		}
		if it.Err() != nil {
			n.broken("S2", o, "what is served is no batch: %v", it.Err())
		}
	}
}
