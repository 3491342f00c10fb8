package clientlib

import (
	"context"
	"errors"
	"time"

	"odradek/clientlib/proto"
	"odradek/core/record"
)

// Record is one record to send. A nil Key or Value is null.
type Record struct {
	Topic      string
	Partition  int32 // as wanted; NoPartition leaves it to the key, or else to the producer
	Key, Value []byte
	Headers    []Header
	Timestamp  time.Time // zero: now. The log keeps milliseconds
}

// NoPartition leaves the choice of a partition to the producer.
const NoPartition int32 = -1

// Header is a record's header. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Sent tells where a record is in the log.
type Sent struct {
	Topic     string
	Partition int32
	Offset    int64     // -1: the broker did not say (acks=0, or a duplicate that it no longer knows)
	Timestamp time.Time // that the broker gave it; zero if it kept its own
}

// Producer sends records: see proto.Producer for what it promises. It may be used by any number of goroutines; the order of records of one partition is that
// in which Send was called.
type Producer struct {
	c       *Client
	machine *proto.Producer
	calls   callbacks
	room    chan struct{} // closed and made anew when there is less to wait for
}

// Producer makes the client's producer. A client has one.
func (c *Client) Producer(cfg proto.ProducerConfig) (*Producer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, closedError
	}
	if c.producer != nil {
		return nil, errors.New("the client has a producer already: make another client for another one")
	}
	p := &Producer{c: c, machine: c.machine.NewProducer(cfg), room: make(chan struct{})}
	p.calls.wake = make(chan struct{}, 1)
	c.producer = p
	go p.dispatch()
	return p, nil
}

// Send takes a record to be sent; its bytes are the caller's again when it returns. done, which may be nil, is told what became of it. One goroutine calls all of
// them, one after the other, in the order of offsets for each partition. done may call the client, but should not take long: while callbacksMax outcomes wait to be
// told, or buffer.memory is full, Send waits, until ctx ends. A Send in a callback can wait for callbacks behind its own: give it a ctx that ends. An error of Send
// means that the record was not taken and done will not be called.
func (p *Producer) Send(ctx context.Context, r *Record, done func(Sent, error)) error {
	return p.give(ctx, r, outcome{done: done})
}

func (p *Producer) give(ctx context.Context, r *Record, o outcome) error {
	now := time.Now()
	m := proto.Message{Key: r.Key, Value: r.Value, Timestamp: record.UnixMillis(r.Timestamp.UnixMilli())}
	if r.Timestamp.IsZero() {
		m.Timestamp = record.UnixMillis(now.UnixMilli())
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, record.Header{Key: []byte(h.Key), Value: h.Value})
	}
	for {
		room, err := p.send(now, r.Topic, r.Partition, &m, o)
		if !errors.Is(err, proto.ErrFull) {
			return err
		}
		select {
		case <-room:
			now = time.Now()
		case <-ctx.Done():
			return ctx.Err()
		case <-p.c.ctx.Done():
			return closedError
		}
	}
}

func (p *Producer) send(now time.Time, topic string, partition int32, m *proto.Message, o outcome) (room chan struct{}, err error) {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, closedError
	}
	if o.done != nil && p.calls.full() {
		return p.room, proto.ErrFull
	}
	id := p.calls.expect(o)
	urgent, err := p.machine.Send(c.machine, int64(now.Sub(c.began)), id, topic, partition, m)
	if err != nil {
		p.calls.take(id)
		return p.room, err
	}
	if urgent {
		c.carryOut()
	}
	return nil, nil
}

// SendWait sends a record at once and waits for what becomes of it. If ctx ends first, nobody knows. It may be called in a callback.
func (p *Producer) SendWait(ctx context.Context, r *Record) (Sent, error) {
	answer := make(chan told, 1)
	if err := p.give(ctx, r, outcome{answer: answer}); err != nil {
		return Sent{}, err
	}
	p.c.step(func(m *proto.Client, now int64) { p.machine.Flush(m, now) })
	select {
	case t := <-answer:
		return t.sent, t.err
	case <-ctx.Done():
		return Sent{}, ctx.Err()
	}
}

// Flush sends what was given and waits until all of it is delivered or given up, and every callback of it has returned. It must not be called in a callback.
func (p *Producer) Flush(ctx context.Context) error {
	for {
		p.c.mu.Lock()
		if p.c.closed {
			p.c.mu.Unlock()
			return closedError
		}
		if p.machine.Buffered() > 0 {
			p.machine.Flush(p.c.machine, p.c.now())
			p.c.carryOut()
		}
		room, over := p.room, p.machine.Buffered() == 0 && p.calls.untold == 0
		p.c.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.c.ctx.Done():
			return closedError
		}
	}
}

// delivered takes what became of records. The caller holds the client's mu.
func (p *Producer) delivered(list []proto.Delivery) {
	for i := range list {
		d := &list[i]
		sent := Sent{Topic: d.Topic, Partition: d.Partition, Offset: int64(d.Offset)}
		if d.Timestamp != record.NoTimestamp {
			sent.Timestamp = time.UnixMilli(int64(d.Timestamp))
		}
		for _, id := range d.IDs {
			p.calls.tell(id, sent, d.Err)
			if sent.Offset >= 0 {
				sent.Offset++
			}
		}
	}
	if len(list) > 0 {
		p.roomier()
	}
}

// roomier wakes who waits. The caller holds the client's mu.
func (p *Producer) roomier() {
	close(p.room)
	p.room = make(chan struct{})
}
