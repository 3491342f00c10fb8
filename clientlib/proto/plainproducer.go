// Package proto is the client as pure machines: what to send, what an answer means, when to try again. They know neither sockets nor clocks, so the
// simulator drives them as it drives the broker. Today: a producer and a reader of named partitions of one topic.
//
// A machine says with Poll what to send; its owner sends it, in order, on one connection, and brings answers back in order. When the connection is lost, the
// owner says so, opens another one, and polls again.
package proto

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// InFlightMax is how many batches of a partition may be under way: as many as a broker remembers of an idempotent producer (KIP-185).
const InFlightMax = 5

// retryBackoff is the pause in nanoseconds before a refused batch is sent again (Kafka's retry.backoff.ms, 100).
const retryBackoff = 100_000_000

// PlainProducerConfig is what a Producer is made from.
type PlainProducerConfig struct {
	Topic      string
	Partitions int32
	Acks       int16 // −1, 1 or 0
	Idempotent bool  // needs Acks −1
	InFlight   int   // batches under way on each partition, from the first not delivered on, at most InFlightMax; 1 keeps order without idempotence
	TimeoutMs  int32 // the broker's time for acks
	Version    int16 // of Produce: 3–11
	Codec      record.Codec
}

// PlainDelivery tells what became of a batch given to Produce.
type PlainDelivery struct {
	ID        uint64 // what Produce returned
	Partition int32
	Offset    record.Offset // of its first record; NoOffset if unknown (acks=0)
	Count     int32
	Err       errcode.Code // None: acknowledged. Otherwise it was refused for good and is not in the log
}

// batch is one given to Produce and not yet delivered.
type plainBatch struct {
	id       uint64
	number   int // in its lane
	count    int32
	sequence int32
	data     []byte
	sent     bool // on the present connection
	gaps     int  // refusals as out of order while it was the first of its lane
}

// plainGapsMax is how often the first batch of a lane may be refused as out of order before the lane begins anew under another producer id. Nothing before it is
// under way, so what it should follow is not in the log and never will be: the broker lost it. (More than once, so that an answer to an earlier try,
// made when there was something before it, decides nothing.)
const plainGapsMax = 3

// lane is one partition's queue. Invariant: batches leave in order; those sent form its head.
type plainLane struct {
	queue []plainBatch
	given int   // batches so far
	next  int32 // sequence of the next batch
	since int64 // not before: when a refusal allows the next try

	// Of an idempotent producer. Each lane has its own, since one that begins anew must not touch what others have under way: there the broker still has to
	// recognise what it may have.
	producer record.ProducerID
	epoch    int16
	// The broker has acknowledged a batch under this id. Until then there is one under way: a broker that knows nothing of an id takes any sequence for the
	// first (Kafka does so too, KAFKA-14359), so were the first batch refused and the second taken, the first could never follow.
	known bool
}

// PlainProducer is the producing machine. At least once: a batch whose answer is lost is sent again; with Idempotent the broker recognises it by its sequence.
type PlainProducer struct {
	cfg     PlainProducerConfig
	asked   bool  // InitProducerId is under way
	since   int64 // not before: when a refused InitProducerId may be asked again
	lanes   []plainLane
	last    uint64
	builder record.Builder
}

// NewPlainProducer returns a producer that has nothing to send.
func NewPlainProducer(cfg PlainProducerConfig) *PlainProducer {
	cfg.InFlight = min(max(cfg.InFlight, 1), InFlightMax)
	p := &PlainProducer{cfg: cfg, lanes: make([]plainLane, cfg.Partitions)}
	for i := range p.lanes {
		p.lanes[i].producer, p.lanes[i].epoch = record.NoProducer, record.NoProducerEpoch
	}
	return p
}

// Produce queues records as one batch and returns the number by which their PlainDelivery names it. Nothing of messages is kept. codec is the batch's compression.
func (p *PlainProducer) Produce(partition int32, messages []Message, codec record.CodecID) uint64 {
	p.builder.Reset(record.PlainSpec(record.Attributes(codec)))
	for _, m := range messages {
		p.builder.Append(m.Timestamp, m.Key, m.Value, m.Headers)
	}
	b, err := p.builder.Build(p.cfg.Codec)
	if err != nil {
		panic("invariant: a batch cannot be built: " + err.Error())
	}
	p.last++
	l := &p.lanes[partition]
	l.given++
	l.queue = append(l.queue, plainBatch{id: p.last, number: l.given, count: b.Count, sequence: l.next, data: append([]byte(nil), b.Data...)})
	l.next = record.AddSequence(l.next, b.Count)
	return p.last
}

// Pending returns the number of batches not yet delivered.
func (p *PlainProducer) Pending() int {
	n := 0
	for i := range p.lanes {
		n += len(p.lanes[i].queue)
	}
	return n
}

// Lost tells that the connection is gone: what was sent on it and not answered is sent again on the next one, in the same order. With acks=0 nobody will ever
// know, so it counts as delivered at an unknown offset.
func (p *PlainProducer) Lost() {
	p.asked = false
	for i := range p.lanes {
		for j := range p.lanes[i].queue {
			p.lanes[i].queue[j].sent = false
		}
	}
}

// Poll returns the next request to send, nil if there is none now. now is in nanoseconds.
func (p *PlainProducer) Poll(now int64) kmsg.Request {
	for i := range p.lanes {
		l := &p.lanes[i]
		if now < l.since {
			continue
		}
		if p.cfg.Idempotent && l.producer < 0 {
			if len(l.queue) == 0 || p.asked || now < p.since {
				continue
			}
			p.asked = true
			req := kmsg.NewPtrInitProducerIDRequest()
			req.SetVersion(4)
			return req
		}
		for j := range l.queue {
			// Counted from the first that is not delivered, also where some behind it are: the broker remembers five batches, and the first must be among them.
			if l.queue[j].number-l.queue[0].number >= p.cfg.InFlight || j > 0 && p.cfg.Idempotent && !l.known {
				break
			}
			if b := &l.queue[j]; !b.sent {
				b.sent = true
				return p.request(int32(i), b)
			}
		}
	}
	return nil
}

// Deadline returns when Poll may have something that it has not now.
func (p *PlainProducer) Deadline(now int64) (int64, bool) {
	at, ok := int64(0), false
	for i := range p.lanes {
		l := &p.lanes[i]
		since := l.since
		if p.cfg.Idempotent && l.producer < 0 {
			since = max(since, p.since)
		}
		if len(l.queue) > 0 && since > now && (!ok || since < at) {
			at, ok = since, true
		}
	}
	return at, ok
}

func (p *PlainProducer) request(partition int32, b *plainBatch) kmsg.Request {
	if p.cfg.Idempotent {
		l := &p.lanes[partition]
		record.SetProducer(b.data, l.producer, l.epoch, b.sequence)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(p.cfg.Version)
	req.Acks, req.TimeoutMillis = p.cfg.Acks, p.cfg.TimeoutMs
	t := kmsg.NewProduceRequestTopic()
	t.Topic = p.cfg.Topic
	q := kmsg.NewProduceRequestTopicPartition()
	q.Partition, q.Records = partition, b.data
	t.Partitions = append(t.Partitions, q)
	req.Topics = append(req.Topics, t)
	return req
}

// Answered brings the answer to a request that Poll returned. It returns what is delivered by it, at most one batch. An acks=0 request has no answer: its owner
// calls Answered with a nil response once it is sent.
func (p *PlainProducer) Answered(now int64, req kmsg.Request, response kmsg.Response) (PlainDelivery, bool) {
	if init, ok := response.(*kmsg.InitProducerIDResponse); ok {
		p.initialised(now, init)
		return PlainDelivery{}, false
	}
	sent := &req.(*kmsg.ProduceRequest).Topics[0].Partitions[0]
	l := &p.lanes[sent.Partition]
	place := l.find(sent.Records)
	if place < 0 {
		return PlainDelivery{}, false // answered on an earlier connection
	}
	b := &l.queue[place]
	d := PlainDelivery{ID: b.id, Partition: sent.Partition, Offset: record.NoOffset, Count: b.count}
	if produced, ok := response.(*kmsg.ProduceResponse); ok {
		answer := &produced.Topics[0].Partitions[0]
		code := errcode.Code(answer.ErrorCode)
		if plainRetriable(code, p.cfg.Idempotent) {
			l.again(place, now)
			if place == 0 && code == errcode.OutOfOrderSequenceNumber {
				if b.gaps++; b.gaps == plainGapsMax {
					l.anew()
				}
			}
			return PlainDelivery{}, false
		}
		d.Err = code
		if code == errcode.None {
			d.Offset = record.Offset(answer.BaseOffset)
			l.known = true
		}
	}
	l.queue = append(l.queue[:place], l.queue[place+1:]...)
	return d, true
}

// initialised takes a new producer id for every lane that has none. An id's sequences are counted for each partition by itself.
func (p *PlainProducer) initialised(now int64, init *kmsg.InitProducerIDResponse) {
	p.asked = false
	if init.ErrorCode != 0 {
		p.since = now + retryBackoff
		return
	}
	for i := range p.lanes {
		if l := &p.lanes[i]; l.producer < 0 {
			l.producer, l.epoch = record.ProducerID(init.ProducerID), init.ProducerEpoch
		}
	}
}

// anew numbers the lane's batches from 0 on, to be sent under a new producer id.
func (l *plainLane) anew() {
	l.producer, l.epoch, l.next, l.known = record.NoProducer, record.NoProducerEpoch, 0, false
	for i := range l.queue {
		b := &l.queue[i]
		b.sequence, b.gaps = l.next, 0
		l.next = record.AddSequence(l.next, b.count)
	}
}

// find returns the place of the batch whose bytes were sent.
func (l *plainLane) find(data []byte) int {
	for i := range l.queue {
		if len(data) > 0 && &l.queue[i].data[0] == &data[0] {
			return i
		}
	}
	return -1
}

// again sends a refused batch and everything behind it once more: the broker refused what followed, too, or will recognise it.
func (l *plainLane) again(place int, now int64) {
	for i := place; i < len(l.queue); i++ {
		l.queue[i].sent = false
	}
	l.since = now + retryBackoff
}

// plainRetriable reports whether a refusal may pass. For an idempotent producer a gap passes too: it is what a batch meets whose forerunner was refused.
func plainRetriable(code errcode.Code, idempotent bool) bool {
	switch code {
	case errcode.UnknownTopicOrPartition, errcode.LeaderNotAvailable, errcode.NotLeaderOrFollower, errcode.RequestTimedOut, errcode.NotEnoughReplicas,
		errcode.NotEnoughReplicasAppend, errcode.KafkaStorageError, errcode.CorruptMessage:
		return true
	case errcode.OutOfOrderSequenceNumber:
		return idempotent
	}
	return false
}
