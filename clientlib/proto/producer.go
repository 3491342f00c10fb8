package proto

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// ProducerConfig is what a Producer is made from. Zero values stand for the defaults in brackets, which are Kafka's unless something else is said.
type ProducerConfig struct {
	Acks            Acks           // acks [all]
	NotIdempotent   bool           // enable.idempotence=false: a retry may write a record twice. Acks below all imply it
	BatchSize       int            // batch.size in bytes, uncompressed [16384]
	Linger          int64          // linger.ms [5 ms]; negative: none
	BufferMemory    int64          // buffer.memory: bytes of records not yet delivered [32 MiB]
	MaxRequestSize  int            // max.request.size [1 MiB]
	InFlight        int            // max.in.flight.requests.per.connection [5]; more than 5 only without idempotence
	DeliveryTimeout int64          // delivery.timeout.ms [2 min]
	AckTimeout      int64          // how long the broker may wait for what Acks asks for, where that is less than request.timeout.ms [request.timeout.ms]
	Compression     record.CodecID // compression.type [none]
	Level           int            // of compression; 0: the codec's own
	Partitioner     Partitioner    // [RoundRobin; in Kafka it is Sticky]
	FirstSequence   int32          // of a new producer id: brokers take any [0]
	CreateTopics    bool           // have the broker make topics that are not there, if it does such things
}

// InFlightMax is how many batches of a partition may be under way: as many as a broker remembers of an idempotent producer (KIP-185).
const InFlightMax = 5

// Acks says what a producer waits for.
type Acks int8

// The acknowledgements.
const (
	AcksAll    Acks = iota // every in-sync replica
	AcksLeader             // the leader
	AcksNone               // nothing: what is lost is lost
)

func (a Acks) wire() int16 { return [...]int16{-1, 1, 0}[a] }

func (cfg ProducerConfig) withDefaults() ProducerConfig {
	fill := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	size, request, flight := int64(cfg.BatchSize), int64(cfg.MaxRequestSize), int64(cfg.InFlight)
	fill(&size, 16384)
	fill(&request, 1<<20)
	fill(&flight, InFlightMax)
	fill(&cfg.Linger, 5*millisecond)
	fill(&cfg.BufferMemory, 32<<20)
	fill(&cfg.DeliveryTimeout, 120*second)
	cfg.NotIdempotent = cfg.NotIdempotent || cfg.Acks != AcksAll
	if !cfg.NotIdempotent {
		flight = min(flight, InFlightMax)
	}
	if cfg.Level == 0 {
		cfg.Level = record.DefaultLevel
	}
	cfg.Linger = max(cfg.Linger, 0)
	cfg.MaxRequestSize, cfg.InFlight = int(request), int(flight)
	cfg.BatchSize = min(int(size), cfg.MaxRequestSize)
	return cfg
}

// Errors of Send.
var (
	ErrFull     = errors.New("buffer.memory is full")
	ErrTooLarge = errors.New("the record is larger than max.request.size")
)

// Delivery tells what became of records given to Send: all of one batch.
type Delivery struct {
	IDs       []uint64 // as given, in the order of their offsets
	Topic     string
	Partition int32
	Offset    record.Offset     // of the first; NoOffset if the broker did not say
	Timestamp record.UnixMillis // that the broker gave them; NoTimestamp if they kept their own
	Err       error             // nil: acknowledged; else an *Error. Undecided reports whether they may be in the log all the same
	Undecided bool
}

// Producer sends records. At least once: a batch whose answer is lost is sent again; with idempotence the broker recognises it by its sequence, and each record
// that is delivered is in the log once, in the order of Send for each partition.
type Producer struct {
	cfg      ProducerConfig
	topics   map[string]*outTopic
	active   []*outLane // lanes with records, in the order in which they got some
	buffered int64
	spare    [][]byte   // memory of batches that were delivered
	requests []produced // under way
	last     uint64     // of requests

	asked    bool  // InitProducerId is under way
	since    int64 // not before: the next InitProducerId
	failures int
	waiting  []*outTopic // with records that have no partition yet
}

// produced is a Produce request under way.
type produced struct {
	id   uint64
	peer *peer
}

// outTopic is a topic that is produced to.
type outTopic struct {
	name     string
	lanes    []*outLane
	spread   spread
	unplaced []unplaced
}

// unplaced is a record whose topic's partitions are not known yet.
type unplaced struct {
	id        uint64
	partition int32
	message   Message
	at        int64
}

// NewProducer gives the client its producer. There is one at most.
func (c *Client) NewProducer(cfg ProducerConfig) *Producer {
	p := &Producer{cfg: cfg.withDefaults(), topics: map[string]*outTopic{}}
	c.parts[ownProducer] = p
	c.meta.create = c.meta.create || cfg.CreateTopics
	return p
}

// Buffered returns the bytes of records that are not delivered.
func (p *Producer) Buffered() int64 { return p.buffered }

// Unclear returns the bytes of a partition's records that nothing but delivery.timeout.ms may decide: the first batch may be in the log, and is refused as out of order.
func (p *Producer) Unclear(topic string, partition int32) (n int64) {
	t := p.topics[topic]
	if t == nil || partition < 0 || int(partition) >= len(t.lanes) {
		return 0
	}
	l := t.lanes[partition]
	if len(l.queue) == 0 || l.queue[0].gaps < gapsMax {
		return 0
	}
	n = l.open.size
	for _, b := range l.queue {
		n += b.size
	}
	return n
}

// Send takes a record; nothing is kept of it. A negative partition leaves the choice to the partitioner. id comes back in its Delivery. With ErrFull it must be
// given again after deliveries. urgent says that there is something for Take.
func (p *Producer) Send(c *Client, now int64, id uint64, topicName string, partition int32, m *Message) (urgent bool, err error) {
	size := sizeOf(m)
	if size+record.HeaderSize > p.cfg.MaxRequestSize {
		return false, &Error{Op: "Produce", Topic: topicName, Partition: partition, Cause: ErrTooLarge, Hint: "raise max.request.size (and the topic's max.message.bytes), or send less at once"}
	}
	if p.buffered+int64(size) > p.cfg.BufferMemory {
		return false, ErrFull
	}
	c.now = max(c.now, now)
	p.buffered += int64(size)
	t := p.topics[topicName]
	if t == nil {
		t = &outTopic{name: topicName, spread: spread{stuck: -1}}
		p.topics[topicName] = t
	}
	told := c.meta.want(topicName)
	if len(told.partitions) == 0 || len(t.unplaced) > 0 {
		if len(t.unplaced) == 0 {
			p.waiting = append(p.waiting, t)
		}
		t.unplaced = append(t.unplaced, unplaced{id, partition, m.clone(), c.now})
		c.run(now)
		return true, nil
	}
	if !p.place(c, t, told, id, partition, m, size) {
		return false, nil
	}
	c.run(now)
	return true, nil
}

// place puts a record into its lane, and reports whether something may be sent now.
func (p *Producer) place(c *Client, t *outTopic, told *topic, id uint64, partition int32, m *Message, size int) bool {
	if partition < 0 {
		partition = t.spread.choose(c, p.cfg.Partitioner, told, m.Key, size, p.cfg.BatchSize)
	}
	if int(partition) >= len(told.partitions) {
		p.buffered -= int64(size)
		c.fx.Delivered = append(c.fx.Delivered, Delivery{IDs: []uint64{id}, Topic: t.name, Partition: partition, Offset: record.NoOffset, Timestamp: record.NoTimestamp,
			Err: &Error{Op: "Produce", Topic: t.name, Partition: partition, Code: errcode.UnknownTopicOrPartition, Hint: "the topic has fewer partitions"}})
		return true
	}
	for len(t.lanes) <= int(partition) {
		t.lanes = append(t.lanes, newOutLane(t.name, int32(len(t.lanes)), p.cfg.FirstSequence))
	}
	l := t.lanes[partition]
	if !l.listed {
		l.listed = true
		p.active = append(p.active, l)
	}
	return l.put(p, c, id, m, size)
}

func (m *Message) clone() Message {
	out := Message{Key: slices.Clone(m.Key), Value: slices.Clone(m.Value), Timestamp: m.Timestamp}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, record.Header{Key: slices.Clone(h.Key), Value: slices.Clone(h.Value)})
	}
	return out
}

// Flush has everything sent that was given so far, whatever linger.ms says.
func (p *Producer) Flush(c *Client, now int64) {
	c.now = max(c.now, now)
	for _, l := range p.active {
		l.seal()
	}
	c.run(now)
}

// advance places what waits for its topic, gives up what took too long, and sends.
func (p *Producer) advance(c *Client) {
	p.placeWaiting(c)
	for _, l := range p.active {
		l.expire(p, c)
	}
	p.identify(c)
	p.send(c)
	p.active = slices.DeleteFunc(p.active, func(l *outLane) bool {
		idle := len(l.queue) == 0 && l.open.count() == 0
		if idle {
			l.listed = false
		}
		return idle
	})
}

// placeWaiting places the records of topics that are known by now, in order, and gives up those that waited too long.
func (p *Producer) placeWaiting(c *Client) {
	p.waiting = slices.DeleteFunc(p.waiting, func(t *outTopic) bool {
		told := c.meta.want(t.name)
		n := 0
		for ; n < len(t.unplaced); n++ {
			u := &t.unplaced[n]
			size := sizeOf(&u.message)
			switch {
			case len(told.partitions) > 0:
				p.place(c, t, told, u.id, u.partition, &u.message, size)
			case c.now >= u.at+p.cfg.DeliveryTimeout || told.code != errcode.None && !mayPass(told.code):
				p.buffered -= int64(size)
				err := &Error{Op: "Produce", Topic: t.name, Partition: -1, Code: told.code, Cause: ErrTimeout}
				c.fx.Delivered = append(c.fx.Delivered, Delivery{IDs: []uint64{u.id}, Topic: t.name, Partition: -1, Offset: record.NoOffset, Timestamp: record.NoTimestamp, Err: err})
			default:
				t.unplaced = t.unplaced[n:]
				return false
			}
		}
		t.unplaced = nil
		return true
	})
}

// identify asks for a producer id if a lane needs one.
func (p *Producer) identify(c *Client) {
	if p.cfg.NotIdempotent || p.asked || c.now < p.since || !slices.ContainsFunc(p.active, func(l *outLane) bool { return l.producer < 0 }) {
		return
	}
	if peer := c.anyPeer(); peer != nil {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.ProducerID, req.ProducerEpoch = -1, -1
		if p.asked = c.ask(peer, req, initVersion, tag{ownProducer, 0}, c.cfg.RequestTimeout); !p.asked {
			p.giveUp(c, c.unsupported(peer, "InitProducerId", api.InitProducerID, initVersion))
		}
	}
}

const (
	initVersion    = 4
	produceVersion = 12 // 13 names topics by id
)

// send gives every leader a request, as far as it takes one.
func (p *Producer) send(c *Client) {
	var tried []*peer
	for _, l := range p.active {
		peer := l.target(p, c)
		if peer == nil || slices.Contains(tried, peer) || !c.reach(peer) {
			continue
		}
		for p.inFlight(peer) < p.cfg.InFlight && p.request(c, peer) {
		}
		tried = append(tried, peer)
	}
}

func (p *Producer) inFlight(at *peer) (n int) {
	for i := range p.requests {
		if p.requests[i].peer == at {
			n++
		}
	}
	return n
}

// request sends one batch of each lane that has one for a peer, as many as go into a request, and reports whether there were any.
func (p *Producer) request(c *Client, at *peer) bool {
	var chosen []*outLane
	var batches []*outBatch
	size := 0
	for _, l := range p.active {
		if l.target(p, c) != at {
			continue
		}
		b := l.next(p, c)
		if b == nil {
			continue
		}
		if size += len(b.data); size > p.cfg.MaxRequestSize && len(batches) > 0 {
			break
		}
		chosen, batches = append(chosen, l), append(batches, b)
	}
	if len(batches) == 0 {
		return false
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks = p.cfg.Acks.wire()
	req.TimeoutMillis = int32(c.cfg.RequestTimeout / millisecond)
	if p.cfg.AckTimeout > 0 {
		req.TimeoutMillis = int32(min(p.cfg.AckTimeout, c.cfg.RequestTimeout) / millisecond)
	}
	p.last++
	for i, b := range batches {
		l := chosen[i]
		b.sent, l.at = p.last, at
		if !p.cfg.NotIdempotent {
			record.SetProducer(b.data, l.producer, l.epoch, b.sequence)
		}
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = l.partition, b.data
		addPartition(req, l.topic, part)
	}
	if !c.ask(at, req, produceVersion, tag{ownProducer, p.last}, c.cfg.RequestTimeout+second) {
		err := c.unsupported(at, "Produce", api.Produce, produceVersion)
		for i, b := range batches {
			chosen[i].deliver(p, c, b, Delivery{Err: err, Offset: record.NoOffset, Timestamp: record.NoTimestamp})
		}
		return false
	}
	if req.Acks == 0 {
		for i, b := range batches {
			chosen[i].deliver(p, c, b, Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp})
		}
		return true
	}
	p.requests = append(p.requests, produced{p.last, at})
	return true
}

func addPartition(req *kmsg.ProduceRequest, name string, part kmsg.ProduceRequestTopicPartition) {
	for i := range req.Topics {
		if req.Topics[i].Topic == name {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
			return
		}
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic = name
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
}

func (p *Producer) deadline(c *Client) (at int64, ok bool) {
	soonest := func(t int64) {
		if t > c.now && (!ok || t < at) {
			at, ok = t, true
		}
	}
	for _, t := range p.waiting {
		soonest(t.unplaced[0].at + p.cfg.DeliveryTimeout)
	}
	if !p.asked {
		soonest(p.since)
	}
	for _, l := range p.active {
		soonest(l.since)
		if l.open.count() > 0 {
			soonest(l.open.created + p.cfg.Linger)
		}
		if at, ok := l.oldest(); ok {
			soonest(at + p.cfg.DeliveryTimeout)
		}
	}
	return at, ok
}
