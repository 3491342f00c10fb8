// Package proto is the client as pure machines: what to send, what an answer means, when to try again. They know neither sockets nor clocks, so the
// simulator drives them as it drives the broker, and it is this code that it drives: there is no other client.
package proto

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/prng"
	"odradek/core/record"
)

// Client is the client's machine: see docs/CLIENT.md. Its owner calls one method at a time, each with the time, and then carries out what Take returns. Time
// must not go back.
type Client struct {
	cfg   Config
	rng   prng.Source
	now   int64
	fx    Effects
	peers []*peer // by rising age
	last  LinkID
	turn  int // of candidates for any broker
	meta  metadata
	parts [owners]part

	answers []reply  // scratch
	spare   [][]byte // memory of what was written
}

// LinkID numbers the connections of a Client from 1 on.
type LinkID uint64

// Dial asks for a connection. Its owner answers with Opened, or with Lost.
type Dial struct {
	Link    LinkID
	Address string // host:port
}

// Write is bytes to write to a connection, in order. They are the owner's.
type Write struct {
	Link  LinkID
	Bytes []byte
}

// Effects are what the owner must do, kind by kind in this order.
type Effects struct {
	Close []LinkID // no more of these is wanted
	Dial  []Dial
	Write []Write
	Done  []Completion // operations that ended

	Delivered []Delivery // records of the producer
	Moved     []Moved    // positions of the consumer
}

// Moved tells that a position was outside the log, and where the reset policy put it. The records between are passed over, or read again.
type Moved struct {
	Topic     string
	Partition int32
	From, To  record.Offset
}

// owner says which part of the client a request is of.
type owner uint8

const (
	ownMetadata owner = iota
	ownOperation
	ownProducer
	ownConsumer
	owners
)

// tag names a request to the part that it is of.
type tag struct {
	owner owner
	id    uint64
}

// part is a part of the client that sends requests.
type part interface {
	// advance sends what can be sent now.
	advance(c *Client)
	// answered takes the answer to a request of the part.
	answered(c *Client, p *peer, a *reply)
	// lost tells that a request will have no answer: nobody knows whether it was carried out.
	lost(c *Client, p *peer, t tag, req kmsg.Request, cause error)
	// deadline returns when advance may have something to do that it has not now.
	deadline(c *Client) (at int64, ok bool)
}

// NewClient returns a client that is connected to nothing; it connects when it has something to ask.
func NewClient(cfg Config) *Client {
	c := &Client{cfg: cfg.withDefaults(), rng: prng.FromNumber(cfg.Seed, 0)}
	c.meta.init()
	c.parts[ownMetadata] = &c.meta
	c.parts[ownOperation] = &operations{}
	return c
}

// Take returns what is to be done. It is the caller's.
func (c *Client) Take() Effects {
	for _, p := range c.peers {
		if p.link != nil && len(p.link.out) > 0 {
			c.fx.Write = append(c.fx.Write, Write{p.id, p.link.takeOut()})
		}
	}
	fx := c.fx
	c.fx = Effects{}
	return fx
}

// writesSpare is how many written frames' memory is kept, of at least writeSpareMin bytes each.
const (
	writesSpare   = 8
	writeSpareMin = 16 << 10
)

// Reuse takes back the memory of a Write that has been written. The owner need not give it.
func (c *Client) Reuse(written []byte) {
	if len(c.spare) < writesSpare && cap(written) >= writeSpareMin {
		c.spare = append(c.spare, written[:0])
	}
}

// memory is what the next frame of a link without any is written into; nil: nothing is spare.
func (c *Client) memory() []byte {
	n := len(c.spare)
	if n == 0 {
		return nil
	}
	m := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return m
}

// Tick tells the time.
func (c *Client) Tick(now int64) { c.run(now) }

// Opened tells that a connection is open.
func (c *Client) Opened(now int64, id LinkID) {
	c.now = max(c.now, now)
	if p := c.peerOf(id); p != nil && p.link == nil {
		p.link = &Link{cfg: &c.cfg}
		p.link.open(c.now)
	}
	c.run(now)
}

// Lost tells that a connection could not be made, or broke.
func (c *Client) Lost(now int64, id LinkID, cause error) {
	c.now = max(c.now, now)
	if p := c.peerOf(id); p != nil {
		c.drop(p, cause)
	}
	c.run(now)
}

// Received brings bytes of a connection. They are the caller's again when it returns.
func (c *Client) Received(now int64, id LinkID, bytes []byte) {
	c.now = max(c.now, now)
	p := c.peerOf(id)
	if p == nil || p.link == nil {
		return // given up meanwhile
	}
	was := p.link.ready()
	var err error
	c.answers, err = p.link.received(c.now, bytes, c.answers[:0])
	if !was && p.link.ready() {
		p.failures = 0
	}
	for i := range c.answers {
		a := &c.answers[i]
		p.used = c.now
		if part := c.parts[a.tag.owner]; part != nil {
			part.answered(c, p, a)
		}
	}
	clear(c.answers)
	if err != nil && p.id == id {
		c.fx.Close = append(c.fx.Close, id)
		c.drop(p, err)
	}
	c.run(now)
}

// run gives every part its turn until nothing more can be done now.
func (c *Client) run(now int64) {
	c.now = max(c.now, now)
	c.tidy()
	for _, p := range c.parts {
		if p != nil {
			p.advance(c)
		}
	}
	c.meta.advance(c) // others may have asked for more
}

// Deadline returns when Tick must be called at the latest.
func (c *Client) Deadline() (at int64, ok bool) {
	soonest := func(t int64, is bool) {
		if is && (!ok || t < at) {
			at, ok = t, true
		}
	}
	for _, p := range c.peers {
		soonest(p.deadline(c))
	}
	for _, p := range c.parts {
		if p != nil {
			soonest(p.deadline(c))
		}
	}
	return at, ok
}
