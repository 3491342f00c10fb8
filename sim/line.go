package sim

import (
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/prng"
	"odradek/net/wire"
	"odradek/sim/simnet"
)

// frameMax bounds what a client takes for a response.
const frameMax = 16 << 20

// redialAfter is the longest pause before a client tries to connect again.
const redialAfter = 100 * Millisecond

// talker decides what is said on a line. It is asked again whenever something has changed.
type talker interface {
	poll(now Time) kmsg.Request
	answered(req kmsg.Request, resp kmsg.Response)
	lost()
	deadline(now Time) (Time, bool) // when poll may have something that it has not now
	unfinished() string             // "" when nothing is left to do
}

// line is a client's end of a connection, which it makes anew whenever it breaks.
type line struct {
	w       *World
	c       *client
	name    string
	talk    talker
	ch      *channel
	open    bool
	in      []byte
	asked   []asked // in the order sent
	last    int32
	since   Time           // not before: the next attempt to connect
	patient Time           // how long an answer or a connection may take
	hears   func(p []byte) // takes what the broker sends, in place of talk: for clients that say anything, and may be refused
}

// asked is a request without an answer.
type asked struct {
	correlation int32
	req         kmsg.Request
	until       Time
}

// work does all that can be done now.
func (l *line) work() {
	now := l.w.now
	if l.ch == nil {
		if now >= l.since {
			l.ch, l.since = l.w.dial(l), now+l.patient
		}
		return
	}
	if !l.open {
		if now >= l.since {
			l.drop("no connection")
		}
		return
	}
	if len(l.asked) > 0 && now >= l.asked[0].until {
		l.drop("no answer")
		return
	}
	for l.open {
		req := l.talk.poll(now)
		if req == nil {
			return
		}
		l.send(req)
	}
}

func (l *line) send(req kmsg.Request) {
	l.last++
	frame := wire.AppendRequest(nil, l.last, l.name, req)
	l.asked = append(l.asked, asked{l.last, req, l.w.now + l.patient})
	l.trace("sends", api.Key(req.Key()), l.last, frame)
	l.ch.send(simnet.Client, frame)
}

func (l *line) trace(what string, key api.Key, correlation int32, frame []byte) {
	t := &l.w.trace
	t.begin(l.w.now, l.ch.name)
	t.line = append(t.line, what...)
	t.line = append(t.line, ' ')
	t.line = append(t.line, key.String()...)
	t.line = append(t.line, " #"...)
	t.line = strconv.AppendInt(t.line, int64(correlation), 10)
	t.line = append(t.line, ' ')
	t.line = strconv.AppendInt(t.line, int64(len(frame)), 10)
	t.line = append(t.line, ':')
	t.line = strconv.AppendUint(t.line, xxhash.Sum64(frame), 16)
	t.end()
}

// connected tells how an attempt to connect ended.
func (l *line) connected(ok bool) {
	if !ok {
		l.forget()
	} else {
		l.open = true
	}
	l.c.poke()
}

// arrived takes bytes of responses.
func (l *line) arrived(p []byte) {
	if l.hears != nil {
		l.hears(p)
		return
	}
	l.in = append(l.in, p...)
	for l.open {
		frame, rest, ok, err := wire.Split(l.in, frameMax)
		if err != nil {
			l.w.fail(Correctness, "protocol", "a client cannot follow the broker: "+err.Error())
			return
		}
		if !ok {
			break
		}
		l.in = rest
		if len(l.asked) == 0 {
			l.w.fail(Correctness, "protocol", "an answer to nothing")
			return
		}
		a := l.asked[0]
		l.asked = l.asked[1:]
		l.trace("hears", api.Key(a.req.Key()), a.correlation, frame)
		correlation, resp, err := wire.DecodeResponse(a.req, frame)
		if err != nil || correlation != a.correlation {
			l.w.fail(Correctness, "protocol", fmt.Sprintf("the answer to request %d is of request %d: %v", a.correlation, correlation, err))
			return
		}
		l.talk.answered(a.req, resp)
	}
	l.c.poke()
}

// lost tells that the connection is gone.
func (l *line) lost() {
	l.forget()
	l.c.poke()
}

// drop gives the connection up.
func (l *line) drop(why string) {
	l.w.note(l.ch.name, "dropped: "+why)
	ch := l.ch
	ch.reset(l.c.rng.IntN(2) == 0)
	ch.net.Learn(simnet.Client)
	l.lost()
}

func (l *line) forget() {
	l.ch, l.open, l.in, l.asked = nil, false, nil, nil
	l.since = l.w.now + Time(l.c.rng.N(uint64(redialAfter)))
	l.talk.lost()
}

// due returns when work may have something to do.
func (l *line) due() (Time, bool) {
	if !l.open {
		return l.since, true
	}
	at, ok := l.talk.deadline(l.w.now)
	if len(l.asked) > 0 && (!ok || l.asked[0].until < at) {
		at, ok = l.asked[0].until, true
	}
	return at, ok
}

// client is one program that produces to a topic and reads it.
type client struct {
	w     *World
	id    int32
	name  string
	opt   *ClientOptions
	topic *TopicOptions
	rng   prng.Source
	lines []*line
	ended bool
	armed Time // of the evClient that is coming; 0: none
	known bool // the topic is made, and topicID its id
	id128 [16]byte
}

func newClient(w *World, id int32, opt *ClientOptions) *client {
	return &client{w: w, id: id, name: fmt.Sprintf("c%d", id), opt: opt, topic: &w.opt.Topics[opt.Topic], rng: source(w.opt.Seed, forClient+purpose(id))}
}

func (c *client) add(name string, t talker) *line {
	l := &line{w: c.w, c: c, name: c.name + name, talk: t, patient: c.opt.Timeout}
	c.lines = append(c.lines, l)
	return l
}

func (c *client) start() {
	p := newProducing(c)
	p.line = c.add("p", p)
	r := newReading(c)
	r.line = c.add("r", r)
	if c.opt.Churn > 0 {
		t := &churning{c: c}
		t.line = c.add("t", t)
	}
	if c.opt.Alters > 0 {
		t := newAltering(c)
		t.line = c.add("a", t)
	}
	c.poke()
}

// stop ends the client.
func (c *client) stop() {
	c.ended = true
	for _, l := range c.lines {
		if l.ch != nil {
			l.ch.reset(true)
			l.ch, l.open = nil, false
		}
	}
}

// poke has the client look around soon.
func (c *client) poke() { c.arm(c.w.now) }

func (c *client) arm(at Time) {
	if c.ended || c.armed > 0 && c.armed <= at {
		return
	}
	c.armed = max(at, 1)
	c.w.at(event{kind: evClient, at: c.armed, who: c.id})
}

// wake does what is due on all lines.
func (c *client) wake() {
	if c.ended || c.w.now < c.armed || c.armed == 0 {
		return // another event has done it, or will
	}
	c.armed = 0
	for _, l := range c.lines {
		l.work()
	}
	for _, l := range c.lines {
		if at, ok := l.due(); ok {
			c.arm(max(at, c.w.now+1))
		}
	}
	c.w.check()
}

func (c *client) unfinished() string {
	if c.ended {
		return ""
	}
	for _, l := range c.lines {
		if why := l.talk.unfinished(); why != "" {
			return l.name + ": " + why
		}
	}
	return ""
}
