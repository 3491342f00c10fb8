package proto

import (
	"slices"

	"odradek/core/errcode"
	"odradek/core/record"
)

// outBatch is records that are sent together and not yet delivered.
type outBatch struct {
	number   int // in its lane
	ids      []uint64
	sequence int32
	data     []byte
	size     int64 // of buffered
	created  int64
	sent     uint64 // the request that it is under way in; 0: none
	lost     bool   // a try had no answer, or one that leaves it open: it may be in the log
	gaps     int    // refusals as out of order while it was the first of its lane
	code     errcode.Code
	message  string
	cause    error // of the last try
}

// openBatch is the batch that records still join.
type openBatch struct {
	builder record.Builder
	ids     []uint64
	size    int64
	created int64
	sealed  bool // no more join
}

func (o *openBatch) count() int { return len(o.ids) }

// gapsMax is how often the first batch of a lane may be refused as out of order before the lane begins anew under another producer id. Nothing before it is
// under way, so what it should follow is not in the log and never will be: it was given up, or the broker lost it. (More than once, so that an answer to an
// earlier try, made when there was something before it, decides nothing.)
const gapsMax = 3

// outLane is one partition's queue. Invariant: batches leave in order.
type outLane struct {
	topic     string
	partition int32
	listed    bool // in Producer.active
	open      openBatch
	queue     []*outBatch
	given     int   // batches so far
	first     int32 // sequence under a new id
	sequence  int32 // of the next batch
	since     int64 // not before: when a refusal allows the next try
	failures  int
	at        *peer // where what is under way is

	// Of an idempotent producer. Each lane has an id of its own, since one that begins anew must not touch what others have under way: there the broker still
	// has to recognise what it may have.
	producer record.ProducerID
	epoch    int16
	// The broker has acknowledged a batch under this id. Until then there is one under way: a broker that knows nothing of an id takes any sequence for the
	// first (Kafka does so too, KAFKA-14359), so were the first batch refused and the second taken, the first could never follow.
	known bool
}

func newOutLane(topic string, partition, first int32) *outLane {
	return &outLane{topic: topic, partition: partition, first: first, sequence: first, producer: record.NoProducer, epoch: record.NoProducerEpoch}
}

// put adds a record to the open batch, and reports whether something may be sent now.
func (l *outLane) put(p *Producer, c *Client, id uint64, m *Message, size int) (urgent bool) {
	o := &l.open
	if o.count() > 0 && (o.sealed || o.builder.Size()+size > p.cfg.BatchSize) {
		l.close(p, c)
		urgent = true
	}
	if o.count() == 0 {
		spec := record.PlainSpec(record.Attributes(p.cfg.Compression))
		spec.Level = p.cfg.Level
		o.builder.Reset(spec)
		o.created = c.now
	}
	o.builder.Append(m.Timestamp, m.Key, m.Value, m.Headers)
	o.ids = append(o.ids, id)
	o.size += int64(size)
	return urgent || p.cfg.Linger == 0 || o.count() == 1 || o.builder.Size() >= p.cfg.BatchSize
}

// seal has the open batch sent as it is.
func (l *outLane) seal() { l.open.sealed = l.open.count() > 0 }

// close moves the open batch into the queue.
func (l *outLane) close(p *Producer, c *Client) {
	o := &l.open
	built, err := o.builder.Build(c.cfg.Codec)
	l.given++
	b := &outBatch{number: l.given, ids: o.ids, size: o.size, created: o.created}
	o.ids, o.size, o.sealed = make([]uint64, 0, len(b.ids)), 0, false // the next one will hold about as many
	if err != nil {
		l.queue = append(l.queue, b)
		l.deliver(p, c, b, Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp, Err: &Error{Op: "Produce", Topic: l.topic, Partition: l.partition, Cause: err}})
		return
	}
	if p.cfg.Compression == record.CodecNone { // the batch lies where it was built: another one gets other memory
		b.data = built.Data
		o.builder.Swap(p.memory())
	} else {
		b.data = slices.Clone(built.Data)
	}
	b.sequence = l.sequence
	l.sequence = record.AddSequence(l.sequence, built.Count)
	l.queue = append(l.queue, b)
}

// oldest returns when the lane's oldest record was given.
func (l *outLane) oldest() (int64, bool) {
	if len(l.queue) > 0 {
		return l.queue[0].created, true
	}
	return l.open.created, l.open.count() > 0
}

// target returns the peer that the lane's next batch goes to; nil while there is none, or nothing to send, or nowhere to. What is under way elsewhere is
// waited for: two leaders cannot keep its order.
func (l *outLane) target(p *Producer, c *Client) *peer {
	if c.now < l.since || !p.cfg.NotIdempotent && l.producer < 0 || !l.sendable(p, c) {
		return nil
	}
	leader, ok := c.meta.leaderOf(l.topic, l.partition)
	if !ok {
		c.meta.stale = true
		return nil
	}
	at := c.peer(leader.broker, forAll)
	if at != l.at && l.underWay() {
		return nil
	}
	return at
}

func (l *outLane) underWay() bool {
	return slices.ContainsFunc(l.queue, func(b *outBatch) bool { return b.sent != 0 })
}

// place returns where in the queue the next batch to send is: its end if that is the open one, -1 if none may be sent now.
func (l *outLane) place(p *Producer) int {
	for i, b := range l.queue {
		if !l.mayFollow(p, i, b.number) {
			return -1
		}
		if b.sent == 0 {
			return i
		}
	}
	if l.open.count() == 0 || !l.mayFollow(p, len(l.queue), l.given+1) {
		return -1
	}
	return len(l.queue)
}

// mayFollow reports whether the batch at a place may be under way while those before it are. Counted from the first that is not delivered, also where some
// behind it are: the broker remembers five batches, and the first must be among them.
func (l *outLane) mayFollow(p *Producer, place, number int) bool {
	if place == 0 {
		return true
	}
	return number-l.queue[0].number < p.cfg.InFlight && (p.cfg.NotIdempotent || l.known)
}

func (l *outLane) sendable(p *Producer, c *Client) bool {
	place := l.place(p)
	if place < 0 {
		return false
	}
	o := &l.open
	return place < len(l.queue) || o.sealed || o.builder.Size() >= p.cfg.BatchSize || c.now >= o.created+p.cfg.Linger
}

// next returns the batch to send now; nil if there is none.
func (l *outLane) next(p *Producer, c *Client) *outBatch {
	if !l.sendable(p, c) {
		return nil
	}
	place := l.place(p)
	if place == len(l.queue) {
		l.close(p, c)
		if place == len(l.queue) {
			return nil // it could not be built, and is delivered so
		}
	}
	return l.queue[place]
}

// deliver tells what became of a batch, which leaves the lane.
func (l *outLane) deliver(p *Producer, c *Client, b *outBatch, d Delivery) {
	l.queue = slices.DeleteFunc(l.queue, func(other *outBatch) bool { return other == b })
	p.buffered -= b.size
	p.recycle(b)
	d.IDs, d.Topic, d.Partition = b.ids, l.topic, l.partition
	d.Undecided = d.Err != nil && (b.lost || b.sent != 0)
	c.fx.Delivered = append(c.fx.Delivered, d)
}

// spareMax is how many batches' memory is kept for others.
const spareMax = 16

// recycle keeps the memory of a batch that nobody needs any more: a request that it was written into has a copy.
func (p *Producer) recycle(b *outBatch) {
	if p.cfg.Compression == record.CodecNone && len(p.spare) < spareMax {
		p.spare = append(p.spare, b.data)
	}
	b.data = nil
}

func (p *Producer) memory() []byte {
	if n := len(p.spare); n > 0 {
		m := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return m
	}
	return make([]byte, 0, p.cfg.BatchSize)
}

// expire gives up batches that took longer than delivery.timeout.ms, the open one with the rest.
func (l *outLane) expire(p *Producer, c *Client) {
	if l.open.count() > 0 && c.now >= l.open.created+p.cfg.DeliveryTimeout {
		l.close(p, c)
	}
	for len(l.queue) > 0 && c.now >= l.queue[0].created+p.cfg.DeliveryTimeout {
		b := l.queue[0]
		cause := b.cause
		if cause == nil {
			cause = ErrTimeout
		}
		err := &Error{Op: "Produce", Topic: l.topic, Partition: l.partition, Code: b.code, Message: b.message, Cause: cause, Hint: "delivery.timeout.ms is over"}
		l.deliver(p, c, b, Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp, Err: err})
	}
}

// again puts a batch off: it is sent again, and what follows it after it.
func (l *outLane) again(c *Client, b *outBatch) {
	b.sent = 0
	l.failures++
	l.since = c.now + c.backoff(c.cfg.RetryBackoff, c.cfg.RetryBackoffMax, l.failures)
}

// mayBeginAnew reports whether nothing of the lane can be in the log. A batch that had no clear answer may be; then the refusal is believed only of a leader whose epoch is known: no
// older one is asked after it. By metadata without epochs (before version 7) it may come from a leader that has not heard of its successor, where the batch is: it is asked again until
// delivery.timeout.ms.
func (l *outLane) mayBeginAnew(c *Client) bool {
	lost := func(b *outBatch) bool { return b.lost }
	return c.meta.epochOf(l.topic, l.partition) >= 0 || !slices.ContainsFunc(l.queue, lost)
}

// anew numbers the lane's batches from the first sequence on, to be sent under a new producer id.
func (l *outLane) anew() {
	l.producer, l.epoch, l.sequence, l.known = record.NoProducer, record.NoProducerEpoch, l.first, false
	for _, b := range l.queue {
		b.sequence, b.gaps = l.sequence, 0
		l.sequence = record.AddSequence(l.sequence, int32(len(b.ids)))
	}
}
