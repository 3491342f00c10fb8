package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// ProducesMax is how many Produce requests of one connection may be in flight. Of any other kind it is one, and alone.
const ProducesMax = 64

// NotServedError is wrapped by every error about a key or version that is not served.
type NotServedError string

func (e NotServedError) Error() string { return string(e) }

// Info says who is connected.
type Info struct {
	Conn      core.ConnID
	Listener  string // its name in listeners
	Control   bool   // it is one of the controller's
	Address   string // host:port at which the client reached us
	Peer      string // host:port of the client
	Principal string
}

// Env is what a connection decides by, besides the bytes: the committed image, the time, and the functions that need them.
type Env struct {
	Image    *image.Image
	Wall     record.UnixMillis
	Prepare  Prepare
	Light    Light                                         // nil: DecodeLight is Decode
	Query    func(req *core.Request) (kmsg.Response, bool) // true: answered by the image alone. Nil: never
	Features func() Features                               // nil: none
}

// Verdict is what became of a frame. Batches of its Produce alias the frame; it is 0 for frames in ordinary memory.
type Verdict struct {
	Request *core.Request // nil where the connection answers by itself without one
	Submit  bool          // hand Request to the core, after Begin
	Batches int

	slot slot
}

// slot is one request's place in the order of answers.
type slot struct {
	number      int32 // what the core knows the request by
	correlation int32 // what the client knows it by
	key         api.Key
	version     int16
	tags        bool // the response's header has tagged fields
	silent      bool // acks=0: success is not answered
	done        bool
	reply       core.Reply
}

// Conn is a connection's server side. It has two halves that share nothing, so that the runtime need not hold up replies while a batch is
// checked: Decode is the reading half; Begin, Reply, Next, CanRead and Admits are the answering half, one call at a time.
//
//	frame ─Decode─▶ Verdict ─Begin─▶ slot ──Query or Reply──▶ done ─Next, in order─▶ Outgoing
//
// Requests go to the core under numbers of our own, which rise by one: clients may give the same correlation id to two requests in flight.
//
// Invariants: slots are consecutive numbers in order of arrival; either all are Produces, at most ProducesMax, or there is one of another kind.
type Conn struct {
	info Info

	// The reading half.
	number   int32
	names    names
	policies Policies
	clientID string
	light    bool                   // DecodeLight is at work
	ready    []api.ProducePartition // of the frame that it has given up: they must not be prepared twice

	// The answering half.
	slots  []slot // slots[head:] are in flight
	head   int
	closed bool
	out    []byte
	cuts   []cut
	pieces []Piece
}

// NewConn returns the machine of a new connection.
func NewConn(info Info) *Conn { return &Conn{info: info} }

// Info returns what NewConn was given.
func (c *Conn) Info() Info { return c.info }

// InFlight is the number of requests not yet answered.
func (c *Conn) InFlight() int { return len(c.slots) - c.head }

// Fetching reports whether what is in flight is a Fetch: it may be parked for as long as its client likes, and nothing is lost with it.
func (c *Conn) Fetching() bool { return c.InFlight() > 0 && c.slots[c.head].key == api.Fetch }

// CanRead reports whether some request could be taken: only then is more read.
func (c *Conn) CanRead() bool { return c.Admits(api.Produce) }

// Admits reports whether a request of that key may Begin now. One that may not waits, and nothing behind it is read.
func (c *Conn) Admits(key api.Key) bool {
	n := c.InFlight()
	if c.closed || n == 0 {
		return !c.closed
	}
	return key == api.Produce && c.slots[c.head].key == api.Produce && n < ProducesMax
}

// Frame is Decode and Begin in one, for callers with a single thread.
func (c *Conn) Frame(env *Env, f Frame) (Verdict, error) {
	v, err := c.Decode(env, f)
	if err == nil {
		c.Begin(&v)
	}
	return v, err
}

// Decode makes a request of a frame: a Produce's batches are prepared, and what the image can answer is answered. After an error the connection
// must be closed; its text says what was wrong and who sent it.
func (c *Conn) Decode(env *Env, f Frame) (Verdict, error) {
	served, ok := api.Find(api.Table(c.info.Control), f.Key)
	switch {
	case !ok:
		return Verdict{}, c.errorf(f, NotServedError("this listener does not serve that API key"))
	case f.Key != api.ApiVersions && (f.Version < max(served.Min, served.Refused) || f.Version > served.Max):
		return Verdict{}, c.errorf(f, NotServedError(fmt.Sprintf("this listener serves versions %d to %d", max(served.Min, served.Refused), served.Max)))
	}
	v := Verdict{slot: slot{number: c.number, correlation: f.Correlation, key: f.Key, version: f.Version}}
	var err error
	switch f.Key {
	case api.Produce:
		err = c.decodeProduce(env, f, &v)
	case api.Fetch:
		err = c.decodeFetch(f, &v)
	case api.ApiVersions:
		err = c.decodeApiVersions(env, f, &v)
	default:
		err = c.decodeCold(env, f, &v)
	}
	if err != nil {
		return Verdict{}, c.errorf(f, err)
	}
	c.number++
	return v, nil
}

var errLater = errors.New("a batch takes longer")

// DecodeLight is Decode for who must not be held up: where preparing some batch takes more than its bytes let expect, later is true, and Decode must be called with
// the same frame, before anything else.
func (c *Conn) DecodeLight(env *Env, f Frame) (v Verdict, later bool, err error) {
	c.light = env.Light != nil
	v, err = c.Decode(env, f)
	c.light = false
	if errors.Is(err, errLater) {
		return Verdict{}, true, nil
	}
	return v, false, err
}

func (c *Conn) errorf(f Frame, err error) error {
	return fmt.Errorf("%v request version %d from %s: %w", f.Key, f.Version, c.info.Peer, err)
}

// fill writes into req what every request carries.
func (c *Conn) fill(req *core.Request, f Frame, clientID []byte) {
	if string(clientID) != c.clientID {
		c.clientID = string(clientID)
	}
	*req = core.Request{Conn: c.info.Conn, Correlation: c.number, Key: f.Key, Version: f.Version, ClientID: c.clientID,
		Principal: c.info.Principal, Listener: c.info.Listener, Address: c.info.Address, Frame: f.ID}
}

func (c *Conn) decodeProduce(env *Env, f Frame, v *Verdict) error {
	flex := flexible(f.Key, f.Version)
	v.slot.tags = responseTags(f.Key, flex)
	cur := cursor{b: f.Data}
	clientID := readHeader(&cur, flex)
	call := new(produceCall)
	var later bool
	if v.Batches, later = c.readProduce(env, &cur, call, f); cur.err != nil {
		return cur.err
	}
	if later {
		c.ready = call.produce.Partitions
		return errLater
	}
	c.ready = nil
	v.slot.silent = call.produce.Acks == 0
	c.fill(&call.request, f, clientID)
	call.request.Produce = &call.produce
	v.Request, v.Submit = &call.request, true
	return nil
}

func (c *Conn) decodeFetch(f Frame, v *Verdict) error {
	flex := flexible(f.Key, f.Version)
	v.slot.tags = responseTags(f.Key, flex)
	cur := cursor{b: f.Data}
	clientID := readHeader(&cur, flex)
	call := new(fetchCall)
	decodeFetch(&cur, call, f.Version, &c.names)
	if cur.err != nil {
		return cur.err
	}
	c.fill(&call.request, f, clientID)
	call.request.Fetch = &call.fetch
	v.Request, v.Submit = &call.request, true
	return nil
}

func (c *Conn) decodeApiVersions(env *Env, f Frame, v *Verdict) error {
	cur := cursor{b: f.Data}
	if own, _ := api.Lookup(api.ApiVersions); f.Version >= own.Min && f.Version <= own.Max {
		readHeader(&cur, flexible(f.Key, f.Version))
	}
	if cur.err != nil {
		return cur.err
	}
	resp, err := apiVersions(f.Version, cur.b, api.Table(c.info.Control), env.Features)
	if err != nil {
		return err
	}
	v.slot.version = resp.Version
	v.slot.done, v.slot.reply.Body = true, resp
	return nil
}

func (c *Conn) decodeCold(env *Env, f Frame, v *Verdict) error {
	flex := flexible(f.Key, f.Version)
	v.slot.tags = responseTags(f.Key, flex)
	cur := cursor{b: f.Data}
	clientID := readHeader(&cur, flex)
	if cur.err != nil {
		return cur.err
	}
	body, err := decodeBody(f.Key, f.Version, cur.b)
	if err != nil {
		return err
	}
	req := new(core.Request)
	c.fill(req, f, clientID)
	req.Body = body
	v.Request, v.Submit = req, true
	if env.Query == nil {
		return nil
	}
	if resp, ok := env.Query(req); ok {
		v.Submit, v.slot.done, v.slot.reply.Body = false, true, resp
	}
	return nil
}

// Begin gives a decoded request its place in the order of answers. The caller has asked Admits, and submits the request, if so, afterwards.
func (c *Conn) Begin(v *Verdict) {
	if c.head == len(c.slots) {
		c.slots, c.head = c.slots[:0], 0
	} else if len(c.slots) == cap(c.slots) && c.head > 0 {
		n := copy(c.slots, c.slots[c.head:])
		clear(c.slots[n:])
		c.slots, c.head = c.slots[:n], 0
	}
	c.slots = append(c.slots, v.slot)
}

// Reply takes the core's answer to a request in flight. It is kept until everything before it is answered. A reply to nothing in flight is an
// error, which means that the core or its runtime is broken.
func (c *Conn) Reply(r *core.Reply) error {
	if c.InFlight() == 0 {
		return fmt.Errorf("a reply to request %d, but none is in flight", r.Correlation)
	}
	i := r.Correlation - c.slots[c.head].number // numbers wrap; their difference does not
	if i < 0 || int(i) >= c.InFlight() {
		return fmt.Errorf("a reply to request %d; in flight are %d from %d on", r.Correlation, c.InFlight(), c.slots[c.head].number)
	}
	s := &c.slots[c.head+int(i)]
	if s.done || s.key != r.Key {
		return fmt.Errorf("a reply %v to request %d, which is %v, answered: %t", r.Key, r.Correlation, s.key, s.done)
	}
	if r.Produce == nil && r.Fetch == nil && r.Body == nil && !s.silent {
		return fmt.Errorf("an empty reply to request %d, which is %v", r.Correlation, s.key)
	}
	s.done, s.reply = true, *r
	return nil
}

// Outgoing is one response. What it names is valid until the next call of Next.
type Outgoing struct {
	Pieces []Piece
	MuteMs int32  // read nothing for so long, after sending (KIP-219)
	Close  bool   // nothing to send: close the connection, because of Reason
	Reason string // for Close
}

// Next returns the next response in the order of requests, if it is there. Answers to acks=0 are dropped; a failure of one closes the connection,
// because the client has no other way to learn of it.
func (c *Conn) Next() (Outgoing, bool) {
	for c.HasNext() {
		s := c.slots[c.head]
		c.slots[c.head] = slot{} // its reply is not kept alive
		c.head++
		if !s.silent {
			c.encode(&s)
			return Outgoing{Pieces: c.pieces, MuteMs: s.reply.ThrottleMs}, true
		}
		if reason := failure(s.reply.Produce); reason != "" {
			c.closed = true
			return Outgoing{Close: true, Reason: reason}, true
		}
	}
	return Outgoing{}, false
}

// HasNext reports whether Next may have something right after this.
func (c *Conn) HasNext() bool { return !c.closed && c.head < len(c.slots) && c.slots[c.head].done }

// failure says what failed in the answer to a Produce with acks=0, "" if nothing did.
func failure(resp *api.ProduceResponse) string {
	if resp == nil {
		return ""
	}
	for i := range resp.Partitions {
		if p := &resp.Partitions[i]; p.Err != errcode.None {
			return fmt.Sprintf("a produce with acks=0 to %s-%d failed: %v %s", p.Topic, p.Partition, p.Err, p.Message)
		}
	}
	return ""
}

// outKept is the largest response buffer that a connection keeps for the next one.
const outKept = 64 << 10

// encode writes the response of s into c.pieces.
func (c *Conn) encode(s *slot) {
	if cap(c.out) > outKept {
		c.out = nil
	}
	clear(c.pieces)
	clear(c.cuts)
	out := appendResponseHeader(c.out[:0], s.correlation, s.tags)
	cuts := c.cuts[:0]
	var beyond int64
	r := &s.reply
	switch {
	case r.Produce != nil:
		out = appendProduceResponse(out, r.Produce, s.version, r.ThrottleMs)
	case r.Fetch != nil:
		out = slices.Grow(out, 64*len(r.Fetch.Partitions))
		out, cuts, beyond = appendFetchResponse(out, cuts, r.Fetch, s.version, r.ThrottleMs)
	case r.Body != nil:
		r.Body.SetVersion(s.version)
		if t, ok := r.Body.(kmsg.SetThrottleResponse); ok && r.ThrottleMs != 0 {
			t.SetThrottle(r.ThrottleMs)
		}
		out = r.Body.AppendTo(out)
	}
	c.out = sealSize(out, 0, beyond)
	c.cuts = cuts
	c.pieces = splice(c.pieces[:0], c.out, cuts)
}

// Close ends the machine: nothing more is admitted or sent.
func (c *Conn) Close() { c.closed = true }
