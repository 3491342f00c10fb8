package proto

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// purpose says what a connection is for. Fetches have one of their own: an answer may take as long as fetch.max.wait.ms, and answers come in order.
type purpose uint8

const (
	forAll purpose = iota
	forFetch
)

// peer is a broker as far as there is, was or will be a connection to it.
type peer struct {
	broker   int32 // node id; negative: the address of Bootstrap with that number, from -1 on
	purpose  purpose
	address  string
	id       LinkID // 0: no connection
	link     *Link  // nil: not open yet
	since    int64  // with a connection: when it was asked for; without: not before, when it may be
	failures int    // in a row
	used     int64
	cause    error // of the last failure
}

func (p *peer) ready() bool { return p.link != nil && p.link.ready() }

// deadline returns when the peer's connection must be looked at.
func (p *peer) deadline(c *Client) (at int64, ok bool) {
	switch {
	case p.id == 0:
		return p.since, p.since > c.now // whoever wants it waits until then
	case !p.ready():
		return p.since + c.cfg.ConnectTimeout, true
	}
	if at, ok = p.link.late(); ok {
		return at, true
	}
	return p.used + c.cfg.ConnectionIdle, true
}

// tidy gives up connections that are late, idle, or to a broker that is no longer where it was.
func (c *Client) tidy() {
	for i := 0; i < len(c.peers); i++ {
		p := c.peers[i]
		at, ok := p.deadline(c)
		switch {
		case c.meta.moved(p):
			c.close(p, fmt.Errorf("the broker is no longer at %s", p.address))
			c.peers = slices.Delete(c.peers, i, i+1)
			i--
		case !ok || c.now < at || p.id == 0:
		case !p.ready():
			c.close(p, fmt.Errorf("%w: not connected within %d ms", ErrTimeout, c.cfg.ConnectTimeout/millisecond))
		case len(p.link.asked) > 0:
			c.close(p, fmt.Errorf("%w: %v", ErrTimeout, api.Key(p.link.asked[0].req.Key())))
		default: // idle: not a failure
			c.fx.Close = append(c.fx.Close, p.id)
			p.id, p.link, p.since = 0, nil, c.now
		}
	}
}

// close gives a connection up.
func (c *Client) close(p *peer, cause error) {
	if p.id != 0 {
		c.fx.Close = append(c.fx.Close, p.id)
		c.drop(p, cause)
	}
}

// drop takes up that a connection is gone: each request on it is told to be lost.
func (c *Client) drop(p *peer, cause error) {
	var asked []asked
	if p.link != nil {
		asked = p.link.asked
	}
	p.failures++
	p.id, p.link, p.cause = 0, nil, cause
	p.since = c.now + c.backoff(c.cfg.ReconnectBackoff, c.cfg.ReconnectBackoffMax, p.failures)
	c.meta.stale = true // perhaps it leads no more
	for _, a := range asked {
		if part := c.parts[a.tag.owner]; part != nil && a.tag != (tag{}) {
			part.lost(c, p, a.tag, a.req, cause)
		}
	}
}

func (c *Client) peerOf(id LinkID) *peer {
	for _, p := range c.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// peer returns the peer of a broker; nil if nobody knows where it is.
func (c *Client) peer(broker int32, use purpose) *peer {
	for _, p := range c.peers {
		if p.broker == broker && p.purpose == use {
			return p
		}
	}
	address := ""
	if broker < 0 {
		address = c.cfg.Bootstrap[-broker-1]
	} else if b, ok := c.meta.brokers[broker]; ok {
		address = b.address
	} else {
		return nil
	}
	p := &peer{broker: broker, purpose: use, address: address}
	c.peers = append(c.peers, p)
	return p
}

// reach reports whether requests can be sent to a peer now; if not it sees to it that they can be some time.
func (c *Client) reach(p *peer) bool {
	if p.id == 0 && c.now >= p.since {
		c.last++
		p.id, p.since, p.used = c.last, c.now, c.now
		c.fx.Dial = append(c.fx.Dial, Dial{p.id, p.address})
	}
	return p.ready()
}

// anyPeer returns a peer that requests can be sent to; nil while there is none. It prefers the one with the fewest requests under way, and else connects to one
// broker after the other, and to the bootstrap addresses.
func (c *Client) anyPeer() *peer {
	var best *peer
	connecting := false
	for _, p := range c.peers {
		if p.purpose != forAll || p.id == 0 {
			continue
		}
		if !p.ready() {
			connecting = true
		} else if best == nil || len(p.link.asked) < len(best.link.asked) || len(p.link.asked) == len(best.link.asked) && best.broker < 0 && p.broker >= 0 {
			best = p
		}
	}
	if best != nil || connecting {
		return best
	}
	candidates := c.candidates()
	for range candidates {
		c.turn = (c.turn + 1) % len(candidates)
		if p := c.peer(candidates[c.turn], forAll); p != nil && c.now >= p.since {
			c.reach(p)
			return nil
		}
	}
	return nil
}

// candidates are the brokers that may answer anything.
func (c *Client) candidates() []int32 {
	out := slices.Clone(c.meta.order)
	for i := range c.cfg.Bootstrap {
		out = append(out, int32(-i-1))
	}
	return out
}

// ask sends a request to a peer that is ready, in the highest version that both sides know and that is not above max (negative: kmsg's). It returns false if
// there is none.
func (c *Client) ask(p *peer, req kmsg.Request, max int16, t tag, timeout int64) bool {
	if max < 0 {
		max = req.MaxVersion()
	}
	v, ok := p.link.version(api.Key(req.Key()), max)
	if !ok {
		return false
	}
	req.SetVersion(v)
	p.used = c.now
	if _, large := req.(*kmsg.ProduceRequest); large && p.link.out == nil {
		p.link.out = c.memory()
	}
	p.link.send(c.now, req, t, timeout)
	return true
}

// unsupported is the error of a request that a broker serves in no version that we know.
func (c *Client) unsupported(p *peer, op string, key api.Key, most int16) *Error {
	hint := "it needs a newer broker"
	if served, ok := p.link.versions[int16(key)]; ok {
		hint = fmt.Sprintf("it serves versions %d to %d, this client knows them up to %d", served[0], served[1], most)
	}
	return &Error{Op: op, Partition: -1, Broker: p.address, Cause: ErrUnsupported, Hint: hint}
}
