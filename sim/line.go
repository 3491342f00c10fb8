package sim

import (
	"fmt"

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

// line is a connection on which a client says what its machine does not, one request after another. It is made anew whenever it breaks.
type line struct {
	w       *World
	c       speaker
	name    string
	talk    talker
	ch      *channel
	open    bool
	in      []byte
	asked   []asked // in the order sent
	last    int32
	since   Time           // not before: the next attempt to connect
	to      func() string  // where it connects to next; nil: to the first broker
	patient Time           // how long an answer or a connection may take
	hears   func(p []byte) // takes what the broker sends, in place of talk: for clients that say anything, and may be refused
}

// speaker is whose line it is.
type speaker interface {
	poke()
	random() *prng.Source
}

func (l *line) address() string {
	if l.to != nil {
		return l.to()
	}
	return l.w.nodes[0].address(false)
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
			l.ch, l.since = l.w.dial(l, l.name, l.address()), now+l.patient
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
	l.ch.note("sends", api.Key(req.Key()), l.last, frame)
	l.ch.send(simnet.Client, frame)
}

// connected tells how an attempt to connect ended.
func (l *line) connected(ch *channel, ok bool) {
	if l.ch != ch {
		return
	}
	if !ok {
		l.forget()
	} else {
		l.open = true
	}
	l.c.poke()
}

// arrived takes bytes of responses.
func (l *line) arrived(ch *channel, p []byte) {
	if l.ch != ch {
		return
	}
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
		l.ch.note("hears", api.Key(a.req.Key()), a.correlation, frame)
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
func (l *line) lost(ch *channel) {
	if l.ch != ch {
		return
	}
	l.forget()
	l.c.poke()
}

// drop gives the connection up.
func (l *line) drop(why string) {
	l.w.note(l.ch.name, "dropped: "+why)
	ch := l.ch
	ch.reset(l.c.random().IntN(2) == 0)
	ch.net.Learn(simnet.Client)
	l.lost(ch)
}

func (l *line) forget() {
	l.ch, l.open, l.in, l.asked = nil, false, nil, nil
	l.since = l.w.now + Time(l.c.random().N(uint64(redialAfter)))
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
