package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/sim/simnet"
)

// client is one program that produces to a topic and reads it. Its machine is the one of clientlib: it dials, shakes hands, asks for metadata, batches and tries again
// by itself; the client gives it records, takes what it reads, and does what it wants done.
type client struct {
	w      *World
	id     int32
	name   string
	opt    *ClientOptions
	topic  *TopicOptions
	rng    prng.Source
	m      *proto.Client
	links  []*link
	powers int                            // losses before the process that was heard last
	since  int64                          // the event in which it took that connection
	ops    map[uint64]func(kmsg.Response) // operations under way
	p      *producing                     // nil: it only reads
	r      *reading
	lines  []*line // what it says besides
	ended  bool
	armed  Time // of the evClient that is coming; 0: none
	known  bool // the topic is there

	lostFetch bool // the last Fetch has no answer and will have none
}

func newClient(w *World, id int32, opt *ClientOptions) *client {
	return &client{w: w, id: id, name: fmt.Sprintf("c%d", id), opt: opt, topic: &w.opt.Topics[opt.Topic], rng: source(w.opt.Seed, forClient+purpose(id))}
}

// begin gives the client its machine.
func (c *client) begin() {
	o, v, ms := c.opt, c.opt.Versions, int64(Millisecond)
	rng := source(c.w.opt.Seed, forWhole+0x80+purpose(c.id))
	c.ops = map[uint64]func(kmsg.Response){}
	c.m = proto.NewClient(proto.Config{ClientID: c.name, Bootstrap: c.w.bootstrap(), RequestTimeout: int64(o.Timeout), ConnectTimeout: int64(o.Timeout),
		ReconnectBackoff: 10 * ms, ReconnectBackoffMax: 100 * ms, RetryBackoff: 10 * ms, RetryBackoffMax: 200 * ms, Seed: rng.Uint64(), Codec: c.w.codec, FrameMax: frameMax,
		MaxVersions: map[api.Key]int16{api.Produce: v.Produce, api.Fetch: v.Fetch, api.ListOffsets: v.ListOffsets, api.Metadata: v.Metadata}})
}

func (c *client) start() {
	c.begin()
	c.p, c.r = newProducing(c), newReading(c)
	e := c.edit()
	if c.opt.Churn > 0 && (e == nil || !e.NoChurn) {
		t := &churning{c: c}
		t.line = c.add("t", t)
	}
	if c.opt.Alters > 0 && (e == nil || !e.NoAlters) {
		t := newAltering(c)
		t.line = c.add("a", t)
	}
	if c.opt.Trims > 0 && (e == nil || !e.NoTrims) {
		t := newTrimmer(c)
		t.line = c.add("d", t)
	}
	c.poke()
}

func (c *client) add(name string, t talker) *line {
	l := &line{w: c.w, c: c, name: c.name + name, talk: t, patient: c.opt.Timeout}
	c.lines = append(c.lines, l)
	return l
}

// stop ends the client.
func (c *client) stop() {
	c.ended = true
	for _, l := range c.links {
		l.ch.reset(true)
	}
	c.links = nil
	for _, l := range c.lines {
		if l.ch != nil {
			l.ch.reset(true)
			l.ch, l.open = nil, false
		}
	}
}

// poke has the client look around soon.
func (c *client) poke() { c.arm(c.w.now) }

func (c *client) random() *prng.Source { return &c.rng }

func (c *client) arm(at Time) {
	if c.ended || c.armed > 0 && c.armed <= at {
		return
	}
	c.armed = max(at, 1)
	c.w.at(event{kind: evClient, at: c.armed, who: c.id})
}

// wake does what is due.
func (c *client) wake() {
	if c.ended || c.w.now < c.armed || c.armed == 0 {
		return // another event has done it, or will
	}
	c.armed = 0
	if c.p != nil {
		c.p.work()
	}
	c.r.work()
	c.m.Tick(int64(c.w.now))
	c.carryOut()
	for _, l := range c.lines {
		l.work()
	}
	c.sleep()
	c.w.check()
}

// sleep has the client wake when there may be something to do.
func (c *client) sleep() {
	if at, ok := c.m.Deadline(); ok {
		c.arm(max(Time(at), c.w.now+1))
	}
	if at, ok := c.r.due(); ok {
		c.arm(max(at, c.w.now+1))
	}
	if c.p != nil {
		if at, ok := c.p.due(); ok {
			c.arm(max(at, c.w.now+1))
		}
	}
	for _, l := range c.lines {
		if at, ok := l.due(); ok {
			c.arm(max(at, c.w.now+1))
		}
	}
}

func (c *client) unfinished() string {
	if c.ended {
		return ""
	}
	if c.p != nil {
		if why := c.p.unfinished(); why != "" {
			return c.name + ": " + why
		}
	}
	if why := c.r.unfinished(); why != "" {
		return c.name + ": " + why
	}
	for _, l := range c.lines {
		if why := l.talk.unfinished(); why != "" {
			return l.name + ": " + why
		}
	}
	return ""
}

// operationTime is how long an operation may take: longer than any run.
const operationTime = 24 * 3600 * Second

// do begins an operation, whose answer then takes.
func (c *client) do(o proto.Operation, then func(kmsg.Response)) {
	o.Timeout = int64(operationTime)
	c.ops[c.m.Do(int64(c.w.now), o)] = then
}

// carryOut does what the machine wants, until it wants nothing more.
func (c *client) carryOut() {
	for again := true; again && c.w.failure == nil; again = c.r.look() {
		fx := c.m.Take()
		for _, id := range fx.Close {
			if l := c.link(id); l != nil {
				c.forget(l)
				l.ch.reset(c.rng.IntN(2) == 0)
				l.ch.net.Learn(simnet.Client)
			}
		}
		for _, d := range fx.Dial {
			c.dial(&d)
		}
		for _, out := range fx.Write {
			if l := c.link(out.Link); l != nil {
				l.sends(out.Bytes)
			}
			c.m.Reuse(spoil(out.Bytes))
		}
		for i := range fx.Done {
			c.done(&fx.Done[i])
		}
		for i := range fx.Delivered {
			c.p.delivered(&fx.Delivered[i])
		}
		for i := range fx.Moved {
			c.r.moved(&fx.Moved[i])
		}
	}
}

// spoil overwrites memory that the machine gets back, or has to give back: whoever still reads it finds bytes that fail every check.
func spoil(p []byte) []byte {
	for i := range p {
		p[i] = poison
	}
	return p
}

func (c *client) dial(d *proto.Dial) {
	l := &link{id: d.Link, c: c}
	l.ch = c.w.dial(l, c.name, d.Address)
	c.links = append(c.links, l)
}

func (c *client) done(d *proto.Completion) {
	var refused *proto.Error
	if errors.As(d.Err, &refused) && refused.Code == errcode.UnknownTopicOrPartition && !c.w.alone() { // it asked a broker that has not heard of the topic
		delete(c.ops, d.ID)
		c.r.asks = false
		return
	}
	if d.Err != nil {
		c.w.fail(Liveness, "operation", d.Err.Error())
		return
	}
	then := c.ops[d.ID]
	delete(c.ops, d.ID)
	then(d.Response)
}

func (c *client) link(id proto.LinkID) *link {
	for _, l := range c.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

// forget drops a connection; false if it is dropped already.
func (c *client) forget(gone *link) bool {
	for i, l := range c.links {
		if l == gone {
			c.links = append(c.links[:i], c.links[i+1:]...)
			if gone.fetches {
				c.r.lost()
			}
			c.lostFetch = c.lostFetch || slices.ContainsFunc(gone.asked, func(o overheard) bool { return o.key == api.Fetch })
			return true
		}
	}
	return false
}

// errGone is why the machine is told that a connection is lost.
var errGone = errors.New("the connection is gone")
