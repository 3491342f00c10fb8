package sim

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/sim/simnet"
)

// whole is a client program over the whole client of clientlib/proto, which dials, shakes hands, asks for metadata, batches and tries again by itself. It makes
// its topic, produces to it, and reads all of it meanwhile.
type whole struct {
	c     *client
	rng   prng.Source
	m     *proto.Client
	p     *proto.Producer
	k     *proto.Consumer
	links []wholeLink

	making bool      // CreateTopics is under way
	ready  bool      // the topic is there
	given  int       // batches
	name   producing // names records
	id     uint64
	next   Time            // when the next batch is given
	rest   []proto.Message // of the batch that is being given: buffer.memory was full
	to     int32           // its partition
	read   []record.Offset // what is to be read next, by partition
	powers int             // losses before the process that was heard last
}

// wholeLink is one of its connections.
type wholeLink struct {
	id proto.LinkID
	ch *channel
}

func newWhole(c *client) *whole {
	o := c.opt
	h := &whole{c: c, rng: source(c.w.opt.Seed, forWhole+0x80+purpose(c.id))}
	h.name = producing{c: c}
	ms := int64(Millisecond)
	h.m = proto.NewClient(proto.Config{ClientID: c.name, Bootstrap: []string{address}, RequestTimeout: int64(o.Timeout), ConnectTimeout: int64(o.Timeout),
		ReconnectBackoff: 10 * ms, ReconnectBackoffMax: 100 * ms, RetryBackoff: 10 * ms, RetryBackoffMax: 200 * ms, Seed: h.rng.Uint64(), Codec: c.w.codec, FrameMax: frameMax})
	acks := proto.AcksAll
	if o.Acks == 1 {
		acks = proto.AcksLeader
	}
	linger := int64(o.Linger)
	if linger == 0 {
		linger = -1
	}
	h.p = h.m.NewProducer(proto.ProducerConfig{Acks: acks, NotIdempotent: !o.Idempotent, InFlight: o.InFlight, BatchSize: o.BatchSize, Linger: linger,
		BufferMemory: o.BufferMemory, Compression: o.Codec, FirstSequence: o.FirstSequence, DeliveryTimeout: int64(24 * 3600 * Second)})
	h.k = h.m.NewConsumer(proto.ConsumerConfig{MinBytes: o.MinBytes, MaxBytes: o.MaxBytes, PartitionMaxBytes: o.MaxBytes, MaxWait: int64(o.MaxWaitMs+1) * ms, Reset: proto.ResetEarliest})
	return h
}

// work does what can be done now.
func (h *whole) work() {
	now := h.c.w.now
	switch {
	case !h.ready && !h.making:
		h.create()
	case h.ready:
		h.give()
	}
	h.m.Tick(int64(now))
	h.carryOut()
}

// create asks for the topic.
func (h *whole) create() {
	h.making = true
	req := h.name.createTopic().(*kmsg.CreateTopicsRequest)
	h.m.Do(int64(h.c.w.now), proto.Operation{Request: req, Target: proto.Controller(), MaxVersion: -1, Timeout: int64(24 * 3600 * Second),
		Refused: func(resp kmsg.Response) errcode.Code {
			return errcode.Code(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		}})
}

// wants reports whether more batches are to come.
func (h *whole) wants() bool {
	return len(h.rest) > 0 || h.c.w.phase == phaseSafety && h.given < h.c.opt.Batches
}

// give produces what is due and has room.
func (h *whole) give() {
	w := h.c.w
	for h.wants() && (len(h.rest) > 0 || w.now >= h.next) {
		if len(h.rest) == 0 {
			h.given++
			h.to = int32(h.rng.IntN(int(h.c.topic.Partitions)))
			for range between(&h.rng, 1, h.c.opt.BatchMax) {
				h.name.records++
				h.rest = append(h.rest, h.name.message())
			}
			h.next = w.now + Time(h.rng.N(uint64(2*w.opt.Safety/Time(h.c.opt.Batches+1))))
		}
		m := h.rest[0]
		_, err := h.p.Send(h.m, int64(w.now), h.id+1, h.c.topic.Name, h.to, &m)
		if errors.Is(err, proto.ErrFull) {
			return
		}
		if err != nil {
			w.fail(Correctness, "send", err.Error())
			return
		}
		h.id++
		w.ledger.give(h.c, h.id, h.to, h.rest[:1])
		h.rest = h.rest[1:]
	}
	if h.rng.IntN(40) == 0 {
		h.p.Flush(h.m, int64(w.now))
	}
}

// carryOut does what the machine wants.
func (h *whole) carryOut() {
	w := h.c.w
	fx := h.m.Take()
	for _, id := range fx.Close {
		if ch := h.channel(id); ch != nil {
			h.forget(ch)
			ch.reset(h.rng.IntN(2) == 0)
			ch.net.Learn(simnet.Client)
		}
	}
	for _, d := range fx.Dial {
		if d.Address != address {
			w.fail(Correctness, "metadata", "the client is told to connect to "+d.Address)
			return
		}
		h.links = append(h.links, wholeLink{d.Link, w.dial(h, h.c.name+"w")})
	}
	for _, out := range fx.Write {
		if ch := h.channel(out.Link); ch != nil {
			ch.send(simnet.Client, out.Bytes)
		}
	}
	for i := range fx.Done {
		h.made(&fx.Done[i])
	}
	for i := range fx.Delivered {
		h.delivered(&fx.Delivered[i])
	}
	if b := h.p.Buffered(); b < 0 || b > h.c.opt.BufferMemory {
		w.fail(Correctness, "buffer", fmt.Sprintf("%s buffers %d bytes of %d", h.c.name, b, h.c.opt.BufferMemory))
	}
	h.take()
}

// made takes the end of CreateTopics.
func (h *whole) made(done *proto.Completion) {
	w := h.c.w
	if done.Err != nil {
		w.fail(Liveness, "create", done.Err.Error())
		return
	}
	switch code := errcode.Code(done.Response.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); code {
	case errcode.None, errcode.TopicAlreadyExists:
		h.ready = true
		h.read = make([]record.Offset, h.c.topic.Partitions)
		for i := range h.read {
			h.k.Assign(h.m, int64(w.now), h.c.topic.Name, int32(i), proto.At(0))
		}
		h.c.poke()
	default:
		w.fail(Correctness, "create", fmt.Sprintf("the topic is refused: %v", code))
	}
}

// delivered enters what became of records into the ledger, each by itself.
func (h *whole) delivered(d *proto.Delivery) {
	one := proto.PlainDelivery{Partition: d.Partition, Offset: d.Offset, Count: 1}
	var refused *proto.Error
	if errors.As(d.Err, &refused) {
		if one.Err = refused.Code; one.Err == errcode.None {
			h.c.w.fail(Correctness, "delivery", d.Err.Error())
			return
		}
	}
	for i, id := range d.IDs {
		one.ID = id
		if d.Offset >= 0 {
			one.Offset = d.Offset + record.Offset(i)
		}
		h.c.w.ledger.delivered(h.c, one, h.powers)
	}
}

// take reads what has come, and demands that it follows what was read.
func (h *whole) take() {
	w := h.c.w
	for chunk := h.k.Take(h.m, int64(w.now)); chunk != nil; chunk = h.k.Take(h.m, int64(w.now)) {
		at := &h.read[chunk.Partition]
		received, err := chunk.Records(w.codec, nil)
		if err == nil {
			err = chunk.Err
		}
		if h.passOver(chunk, received, err) {
			continue
		}
		if err != nil {
			w.fail(Correctness, "reads", fmt.Sprintf("%s: %v", h.c.name, err))
			return
		}
		begun := max(chunk.LogStart, w.ledger.part(h.c.opt.Topic, chunk.Partition).began)
		if len(received) > 0 && *at < begun && received[0].Offset <= begun {
			*at = received[0].Offset // deleted meanwhile: the policy is to go on at the log start, which may have come back since
		}
		for i := range received {
			if received[i].Offset != *at {
				w.fail(Correctness, "gap", fmt.Sprintf("%s: %s-%d: offset %d is read where %d should follow", h.c.name, chunk.Topic, chunk.Partition, received[i].Offset, *at))
				return
			}
			*at++
			w.ledger.served(h.c.opt.Topic, chunk.Partition, &received[i], h.powers)
		}
		if position, _, _ := h.k.Position(chunk.Topic, chunk.Partition); position != *at {
			w.fail(Correctness, "position", fmt.Sprintf("%s: %s-%d: the position is %d, read was up to %d", h.c.name, chunk.Topic, chunk.Partition, position, *at))
		}
	}
}

// passOver begins anew where what was read may be gone, or what is read be damaged: a relaxed topic after a power loss, a disk that lied.
func (h *whole) passOver(chunk *proto.Chunk, received []proto.Received, err error) bool {
	at := &h.read[chunk.Partition]
	part := h.c.w.ledger.part(h.c.opt.Topic, chunk.Partition)
	follows := err == nil && (len(received) == 0 || received[0].Offset == *at)
	if follows || h.c.topic.Durable() && len(part.hurts) == 0 && part.doubts == 0 {
		return false
	}
	if len(received) > 0 {
		*at = received[len(received)-1].Offset + 1
	} else if err != nil {
		*at++
	}
	h.k.Seek(h.m, int64(h.c.w.now), chunk.Topic, chunk.Partition, proto.At(*at))
	return true
}

func (h *whole) channel(id proto.LinkID) *channel {
	for _, l := range h.links {
		if l.id == id {
			return l.ch
		}
	}
	return nil
}

// forget drops a connection, and returns its id; 0 if it is dropped already.
func (h *whole) forget(ch *channel) (id proto.LinkID) {
	for i, l := range h.links {
		if l.ch == ch {
			h.links = append(h.links[:i], h.links[i+1:]...)
			return l.id
		}
	}
	return 0
}

func (h *whole) find(ch *channel) proto.LinkID {
	for _, l := range h.links {
		if l.ch == ch {
			return l.id
		}
	}
	return 0
}

// connected tells how an attempt to connect ended.
func (h *whole) connected(ch *channel, ok bool) {
	now := int64(h.c.w.now)
	switch id := h.find(ch); {
	case id == 0:
		return
	case ok:
		h.m.Opened(now, id)
	default:
		h.forget(ch)
		h.m.Lost(now, id, errors.New("not connected"))
	}
	h.carryOut()
	h.c.poke()
}

// arrived takes bytes of responses.
func (h *whole) arrived(ch *channel, p []byte) {
	if id := h.find(ch); id != 0 {
		h.powers = ch.powers
		h.m.Received(int64(h.c.w.now), id, p)
		h.carryOut()
		h.c.poke()
	}
}

// lost tells that a connection is gone.
func (h *whole) lost(ch *channel) {
	if id := h.forget(ch); id != 0 {
		h.m.Lost(int64(h.c.w.now), id, errors.New("reset"))
		h.carryOut()
		h.c.poke()
	}
}

// due returns when work may have something to do.
func (h *whole) due() (Time, bool) {
	at, ok := h.m.Deadline()
	if h.ready && len(h.rest) == 0 && h.wants() && (!ok || h.next < Time(at)) {
		return h.next, true
	}
	return Time(at), ok
}

func (h *whole) unfinished() string {
	switch n := h.p.Buffered(); {
	case !h.ready:
		return "the topic is not made"
	case n > 0:
		return fmt.Sprintf("%d bytes are not delivered", n)
	case len(h.rest) > 0:
		return "a batch is given in part"
	}
	return ""
}

// stop ends the client.
func (h *whole) stop() {
	for _, l := range h.links {
		l.ch.reset(true)
	}
	h.links = nil
}
